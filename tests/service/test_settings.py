"""Settings from the environment, with every mistake at once."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from cds_rules.service.settings import Settings, SettingsError


def test_defaults_are_for_one_machine() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings().host == "127.0.0.1"


def test_by_default_no_client_chooses_the_instant() -> None:
    assert not Settings().heed_at


def test_reads_every_setting() -> None:
    given = {
        "CDS_RULES_HOST": "0.0.0.0",
        "CDS_RULES_PORT": "9000",
        "CDS_RULES_WORKERS": "4",
        "CDS_RULES_MAX_BODY": "2048",
        "CDS_RULES_ALLOWED_ORIGINS": "https://a.example, https://b.example:8443",
        "CDS_RULES_UNJUDGED": "card",
        "CDS_RULES_SAMPLES": "off",
        "CDS_RULES_HEED_AT": "yes",
        "PATH": "/bin",
    }
    assert Settings.from_environment(given) == Settings(
        "0.0.0.0", 9000, 4, 2048, ("https://a.example", "https://b.example:8443"), "card", False, True
    )


def test_says_every_mistake() -> None:
    given = {
        "CDS_RULES_PORT": "http",
        "CDS_RULES_WORKERS": "0",
        "CDS_RULES_HOST": "",
        "CDS_RULES_MAX_BODY": "-1",
        "CDS_RULES_ALLOWED_ORIGINS": "ehr.example.org",
        "CDS_RULES_UNJUDGED": "maybe",
        "CDS_RULES_SAMPLES": "perhaps",
        "CDS_RULES_PROT": "1",
    }
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(given)
    assert [mistake.split(": ")[0] for mistake in caught.value.mistakes] == [
        "CDS_RULES_PROT",
        "CDS_RULES_ALLOWED_ORIGINS",
        "CDS_RULES_HOST",
        "CDS_RULES_MAX_BODY",
        "CDS_RULES_PORT",
        "CDS_RULES_SAMPLES",
        "CDS_RULES_UNJUDGED",
        "CDS_RULES_WORKERS",
    ]
    assert "CDS_RULES_PORT: a whole number from 0 to 65535 belongs here" in caught.value.mistakes
    assert "CDS_RULES_PORT" in caught.value.mistakes[0], "a near miss is answered with the names there are"


def test_every_setting_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "integrators.md").read_text("utf-8")
    assert not [field.name for field in fields(Settings) if f"`CDS_RULES_{field.name.upper()}`" not in page]
