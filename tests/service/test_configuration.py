"""Settings from file and environment: the environment wins, every mistake is said at once, a secret never."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from cds_rules.hooks.profiles import SHIPPED
from cds_rules.service.configuration import SettingsError, fields_of, places, read_settings, reference, variable_of
from cds_rules.service.profiles import profiles_of
from cds_rules.service.settings import Settings
from cds_rules.vocabulary.frozen import replace

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-that-no-message-may-ever-show"


def mistakes(file: Path | None = None, **variables: str) -> list[str]:
    """What reading these settings says."""
    with pytest.raises(SettingsError) as caught:
        read_settings(file, {f"CDS_RULES_{name}": value for name, value in variables.items()})
    assert SECRET not in str(caught.value)
    return list(caught.value.mistakes)


def toml(folder: Path, text: str) -> Path:
    path = folder / "cds-rules.toml"
    path.write_text(text)
    return path


def test_defaults_are_for_this_machine_alone() -> None:
    assert read_settings(environment={"PATH": "/bin"}) == Settings()
    assert Settings().open
    assert Settings().server.host == "127.0.0.1"
    assert not Settings().heed_at, "by default no client chooses the instant"


def test_reads_a_file_and_lets_the_environment_win(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        """
        profile = "sandbox"
        [server]
        port = 9000
        workers = 2
        [cors]
        origins = ["https://a.example", "https://b.example:8443/"]
        [[trust.issuers]]
        issuer = "https://ehr.example.org"
        jku = ["https://ehr.example.org/jwks"]
        [trust.issuers.tenants.north]
        profile = "epic"
        """,
    )
    settings = read_settings(file, {"CDS_RULES_SERVER_PORT": "9001", "CDS_RULES_FETCH_ENABLED": "off"})
    assert (settings.server.port, settings.server.workers, settings.profile) == (9001, 2, "sandbox")
    assert settings.origins == ("https://a.example", "https://b.example:8443")
    assert settings.trust.issuers[0].tenants["north"].profile == "epic"
    assert not settings.fetch.enabled
    assert not settings.open, "who names issuers wants tokens"


def test_the_command_line_wins_over_the_environment() -> None:
    assert read_settings(environment={"CDS_RULES_SERVER_PORT": "1"}, given={"SERVER_PORT": 2}).server.port == 2


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, "[limits]\nmax_body = 2048")
    assert read_settings(environment={"CDS_RULES_CONFIG": str(file)}).limits.max_body == 2048


def test_every_variable_takes_what_the_file_takes() -> None:
    given = {
        "CDS_RULES_CORS_ORIGINS": "https://a.example, https://b.example",
        "CDS_RULES_TRUST_ISSUERS": '[{"issuer": "a", "jku": ["https://a.example/jwks"]}]',
        "CDS_RULES_PROFILES": '{"ours": {"base": "epic", "link_hosts": ["cds.example.org"]}}',
    }
    settings = read_settings(environment=given)
    assert settings.origins == ("https://a.example", "https://b.example")
    assert settings.trust.issuers[0].jku == ("https://a.example/jwks",)
    assert profiles_of(settings)["ours"].link_hosts == {"cds.example.org"}


def test_says_every_mistake_with_what_was_found_and_what_belongs_there(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        """
        mode = "prod"
        [server]
        prot = 1
        port = 70000
        [cors]
        origins = ["ehr.example.org", "https://a.example/path"]
        [[trust.issuers]]
        isuer = "a"
        """,
    )
    assert mistakes(file, SERVER_WORKERS="0", SEVER_PORT="1", LIMITS_MAX_BODY="many") == [
        'CDS_RULES_SEVER_PORT: no such setting; did you mean "CDS_RULES_SERVER_PORT"?',
        f'{file}: mode: found "prod"; "development" or "production" belongs here',
        f"{file}: server.port: found 70000; a whole number from 0 to 65535 belongs here",
        'CDS_RULES_SERVER_WORKERS: found "0"; a whole number from 1 to 64 belongs here',
        f'{file}: server.prot: no such setting; did you mean "port"?',
        'CDS_RULES_LIMITS_MAX_BODY: found "many"; a whole number from 1024 to 1073741824 belongs here',
        f'{file}: cors.origins[0]: found "ehr.example.org"; an origin such as https://ehr.example.org, or "*", belongs here',
        f'{file}: cors.origins[1]: found "https://a.example/path"; an origin such as https://ehr.example.org, or "*", belongs here',
        f"{file}: trust.issuers[0].issuer: found nothing; the iss of its tokens belongs here",
        f'{file}: trust.issuers[0].isuer: no such setting; did you mean "issuer"?',
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"server = 1", "server: found 1; a table belongs here"),
        (b"[server", "is not TOML"),
        (b"\xff", "is not UTF-8; a TOML file belongs here"),
    ],
)
def test_a_file_of_another_kind_is_said(tmp_path: Path, text: bytes, said: str) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(text)
    (mistake,) = mistakes(file, SERVER_PORT="80")
    assert mistake.startswith(f"{file}: {said}")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path / "none.toml")
    assert "No such file" in mistake


def test_a_secret_comes_from_a_variable_or_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET}\n")
    by_file = read_settings(toml(tmp_path, f'[store]\nkey_file = "{tmp_path / "key"}"'), {})
    by_variable = read_settings(environment={"CDS_RULES_STORE_KEY": SECRET})
    by_named_file = read_settings(environment={"CDS_RULES_STORE_KEY_FILE": str(tmp_path / "key")})
    for settings in (by_file, by_variable, by_named_file):
        assert settings.store.key.get_secret_value() == SECRET
        assert SECRET not in repr(settings)
        assert SECRET not in str(dataclasses.asdict(settings))


def test_a_secret_in_the_settings_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    file = toml(tmp_path, f'[store]\nkey = "{SECRET}"\nurl = "postgresql://me:{SECRET}@db/cds"')
    assert {each.split(":")[1].strip() for each in mistakes(file)} == {"store.key", "store.url"}
    plain = read_settings(toml(tmp_path, '[store]\nurl = "sqlite:///x.db"'), {})
    assert plain.store.url.get_secret_value() == "sqlite:///x.db", "an address without password is no secret"


def test_a_secret_that_is_named_twice_or_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    (twice,) = mistakes(STORE_KEY=SECRET, STORE_KEY_FILE=str(tmp_path / "key"))
    assert twice == "CDS_RULES_STORE_KEY_FILE: CDS_RULES_STORE_KEY is set as well; one of them belongs there"
    (absent,) = mistakes(STORE_KEY_FILE=str(tmp_path / "none"))
    assert "the path of a file with the secret belongs here" in absent


def test_a_key_that_is_too_short_is_said_in_any_mode() -> None:
    assert [each.split(":")[0] for each in mistakes(STORE_KEY="short", STORE_PREVIOUS_KEYS=f"{SECRET} short")] == [
        "store.key",
        "store.previous_keys",
    ]


def test_development_listens_on_this_machine_alone() -> None:
    (mistake,) = mistakes(SERVER_HOST="0.0.0.0")
    assert mistake.startswith('server.host: found "0.0.0.0"; in development a loopback address belongs here')


def test_production_does_not_start_half_configured() -> None:
    assert [each.split(": ")[0] for each in mistakes(MODE="production", HEED_AT="true")] == [
        "server.public_url",
        "trust.issuers",
        "server.certificate, server.trusted_proxies",
        "cors.origins",
        "store.url",
        "store.key",
        "heed_at",
    ]
    assert 'cors.origins: found "*"; production needs a list of origins' in mistakes(
        MODE="production", CORS_ORIGINS="*"
    )


def test_production_starts_when_all_of_it_is_there() -> None:
    settings = read_settings(
        environment={
            "CDS_RULES_MODE": "production",
            "CDS_RULES_SERVER_HOST": "0.0.0.0",
            "CDS_RULES_SERVER_PUBLIC_URL": "https://cds.example.org/",
            "CDS_RULES_SERVER_TRUSTED_PROXIES": "10.0.0.1",
            "CDS_RULES_TRUST_ISSUERS": '[{"issuer": "a", "jku": ["https://a.example/jwks"]}]',
            "CDS_RULES_CORS_ORIGINS": "[]",
            "CDS_RULES_STORE_URL": "sqlite:///x.db",
            "CDS_RULES_STORE_KEY": SECRET,
        }
    )
    assert settings.origins == ()
    assert settings.base_url == "https://cds.example.org"
    assert not settings.serves_samples


PRODUCTION = {
    "MODE": "production",
    "SERVER_PUBLIC_URL": "https://cds.example.org/",
    "SERVER_TRUSTED_PROXIES": "10.0.0.1",
    "TRUST_ISSUERS": '[{"issuer": "a", "jku": ["https://a.example/jwks"], "tenants": {"north": {}}}]',
    "CORS_ORIGINS": "[]",
    "STORE_URL": "sqlite:///x.db",
    "STORE_KEY": SECRET,
}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"REVIEW_DEVELOPMENT_SIGN_IN": "true"}, "review.development_sign_in: found true; in production nobody"),
        ({"REVIEW_ENABLED": "true"}, "review.enabled: found true without review.issuer or review.launches"),
        (
            {
                "REVIEW_ISSUER": "http://login.example.org",
                "REVIEW_CLIENT_ID": "c",
                "REVIEW_ALL_HOUSES": "true",
            },
            'review.issuer: found "http://login.example.org"; production needs https',
        ),
        (
            {"REVIEW_LAUNCHES": '[{"iss": "http://ehr.example.org/fhir", "client_id": "c"}]'},
            "review.launches[0].iss: found",
        ),
        (
            {"REVIEW_ISSUER": "https://login.example.org", "REVIEW_CLIENT_ID": "c"},
            "review.house_claim: found nothing; with several clients",
        ),
    ],
)
def test_production_lets_nobody_in_by_mistake(variables: dict[str, str], said: str) -> None:
    (mistake,) = mistakes(**PRODUCTION, **variables)
    assert mistake.startswith(said)


def test_production_serves_review_pages_only_where_somebody_can_sign_in() -> None:
    named = {f"CDS_RULES_{name}": value for name, value in PRODUCTION.items()}
    assert not read_settings(environment=named).reviews
    signing = {
        "CDS_RULES_REVIEW_ISSUER": "https://login.example.org",
        "CDS_RULES_REVIEW_CLIENT_ID": "c",
        "CDS_RULES_REVIEW_HOUSE_CLAIM": "clinics",
        "CDS_RULES_REVIEW_HOUSES": '{"north": "a north"}',
    }
    settings = read_settings(environment=named | signing)
    assert settings.reviews
    assert not settings.signs_in_for_trial
    assert Settings().reviews
    assert Settings().signs_in_for_trial


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"REVIEW_ISSUER": "https://login.example.org"}, "review.client_id: found nothing beside review.issuer"),
        ({"REVIEW_HOUSE_CLAIM": "clinics"}, "review.houses: found nothing beside review.house_claim"),
        ({"REVIEW_FRAME_ANCESTORS": "*"}, 'review.frame_ancestors: found "*"'),
        ({"PROFILE": "epik"}, 'profile: found "epik"; no such profile; did you mean "epic"?'),
        ({"PROFILES": '{"epic": {}}'}, "profiles.epic: found the name of a profile that is shipped"),
        ({"PROFILES": '{"a": {"base": "b"}}'}, 'profiles.a.base: found "b"; no such profile'),
        ({"TRUST_ISSUERS": '[{"issuer": "a"}]'}, "trust.issuers[0]: found no keys"),
        (
            {"TRUST_ISSUERS": '[{"issuer": "a", "jku": ["https://sandbox.cds-hooks.org/.well-known/jwks.json"]}]'},
            "trust.issuers[0]: found the public CDS Hooks sandbox, whose private key everybody can read",
        ),
        ({"SERVER_CLIENT_CA": str(ROOT / "README.md")}, "server.client_ca: found without server.certificate"),
        ({"SERVER_CERTIFICATE": str(ROOT / "README.md")}, "server.certificate, server.certificate_key: found one of"),
    ],
)
def test_what_does_not_go_together_is_said(variables: dict[str, str], said: str) -> None:
    assert any(each.startswith(said) for each in mistakes(**variables))


def test_an_issuer_stands_once() -> None:
    issuer = '{"issuer": "a", "jku": ["https://a.example/jwks"]}'
    assert mistakes(TRUST_ISSUERS=f"[{issuer}, {issuer}]") == [
        'trust.issuers[1].issuer: found "a" again; each issuer stands once'
    ]


def test_a_profile_of_the_site_begins_from_another() -> None:
    given = {"CDS_RULES_PROFILES": '{"ours": {"base": "epic", "unjudged": "card", "actions": ["create"]}}'}
    ours = profiles_of(read_settings(environment=given))["ours"]
    assert ours == replace(SHIPPED["epic"], name="ours", unjudged="card", actions=frozenset({"create"}))


def test_no_two_settings_share_a_variable() -> None:
    assert len(places()) == len(set(places().values()))
    assert variable_of(("server", "port")) == "CDS_RULES_SERVER_PORT"
    assert all(each.metadata["belongs"] and each.metadata["meaning"] for _, each in fields_of(Settings))


def test_the_operators_page_holds_every_setting_as_it_is() -> None:
    page = (ROOT / "docs" / "operators.md").read_text("utf-8")
    held = re.search(r"<!-- settings -->\n(.*?)<!-- end of settings -->", page, re.DOTALL)
    assert held
    assert held[1].strip() == reference().strip(), (
        "write into docs/operators.md what `cds-rules serve --reference` prints"
    )
