"""The façade: names arrive when they are used, and mean the same in whatever order modules are imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cds_rules


def said_by(program: str) -> str:
    """What a fresh Python prints that runs this program."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_the_command_line_waits_for_nothing_it_does_not_need() -> None:
    heavy = ("cds_rules.evaluate", "cds_rules.knowledge", "durable", "fhir", "jinja2", "msgspec", "ruamel", "starlette")
    assert said_by(f"import sys, cds_rules.cli; print([name for name in {heavy} if name in sys.modules])") == "[]"


@pytest.mark.parametrize(
    "first",
    ["import cds_rules", "import cds_rules.evaluate", "import cds_rules.hooks.response", "import cds_rules.cli"],
)
def test_evaluate_is_the_function_whatever_was_imported_before(first: str) -> None:
    program = f"{first}; import cds_rules; from cds_rules import evaluate; print(type(evaluate).__name__, evaluate is cds_rules.evaluate)"
    assert said_by(program) == "function True"


def test_every_public_name_is_there() -> None:
    assert all(getattr(cds_rules, name) is not None for name in (*cds_rules.__all__, "__version__"))


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="module 'cds_rules' has no attribute 'evalute'"):
        _ = cds_rules.evalute  # type: ignore[attr-defined]
