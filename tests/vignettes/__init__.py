"""The vignettes of the clinical specification, rendered to FHIR in eight coding styles and judged end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

PATH = Path(__file__).with_name("vignettes.yaml")


def read(path: Path = PATH) -> list[dict[str, Any]]:
    """The vignettes of a file, in their order."""
    found: list[dict[str, Any]] = YAML(typ="safe", pure=True).load(path)["vignettes"]
    return found
