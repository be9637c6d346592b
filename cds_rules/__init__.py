"""Clinical decision support that can be questioned: CDS Hooks in, explained alert cards out.

The façade: `load_packs()` once, then `evaluate(knowledge, call)` as often as wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.resources import files
from pathlib import Path

from cds_rules.evaluate import Call, Evaluation, Knowledge, build, evaluate
from cds_rules.fhir import Document
from cds_rules.knowledge.pack import read_packs, read_site
from cds_rules.vocabulary.errors import CdsRulesError

try:
    __version__ = version("cds-rules")
except PackageNotFoundError:  # the source tree without an installation
    __version__ = "0.0.0"

PACKS = "cds_rules.packs"
"""The entry point group in which packs are found; each names a package whose folder holds pack.yaml."""


def installed_packs() -> Mapping[str, Path]:
    """The folders of all installed packs by entry point name."""
    return {entry.name: Path(str(files(entry.value))) for entry in entry_points(group=PACKS)}


def load_packs(
    names: Sequence[str] | None = None, folders: Sequence[Path] = (), parameters: Path | None = None
) -> Knowledge:
    """Read packs and compile them, once at start-up.

    Args:
        names: entry point names; None: every installed pack (none when `folders` are given).
        folders: pack folders that are not installed.
        parameters: a site's file of parameter values, each within the bounds of its pack.

    Raises:
        CdsRulesError: no such pack. PackError: every mistake of every file.
    """
    installed = installed_packs()
    wanted = ([] if folders else list(installed)) if names is None else list(names)
    if unknown := [name for name in wanted if name not in installed]:
        raise CdsRulesError(
            f"no pack is installed under the name {', '.join(unknown)}; installed: {', '.join(sorted(installed)) or 'none'}"
        )
    found = [installed[name] for name in wanted] + list(folders)
    if not found:
        raise CdsRulesError(f"no pack is installed: nothing is registered in the entry point group {PACKS}")
    return build(read_packs(found, read_site(parameters) if parameters else None), __version__)


__all__ = ["Call", "Document", "Evaluation", "Knowledge", "evaluate", "installed_packs", "load_packs"]
