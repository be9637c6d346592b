"""Clinical decision support that can be questioned: CDS Hooks in, explained alert cards out.

The façade: `load_packs()` once, then `evaluate(knowledge, call)` as often as wanted. What stands behind a name is imported
when the name is first used, so that `cds-rules --help` need not wait for the whole house.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cds_rules.evaluate import Call, Evaluation, Knowledge, evaluate
    from cds_rules.fhir import Document

    __version__: str

PACKS = "cds_rules.packs"
"""The entry point group in which packs are found; each names a package whose folder holds pack.yaml."""

_HOMES = {
    "Call": "cds_rules.evaluate",
    "Document": "cds_rules.fhir",
    "Evaluation": "cds_rules.evaluate",
    "Knowledge": "cds_rules.evaluate",
    "evaluate": "cds_rules.evaluate",
}


def installed_packs() -> Mapping[str, Path]:
    """The folders of all installed packs by entry point name."""
    from importlib.metadata import entry_points
    from importlib.resources import files
    from pathlib import Path

    return {entry.name: Path(str(files(entry.value))) for entry in entry_points(group=PACKS)}


def load_packs(
    names: Sequence[str] | None = None,
    folders: Sequence[Path] = (),
    parameters: Path | None = None,
    codes: Path | None = None,
) -> Knowledge:
    """Read packs and compile them, once at start-up.

    Args:
        names: entry point names; None: every installed pack (none when `folders` are given).
        folders: pack folders that are not installed.
        parameters: a site's file of parameter values, each within the bounds of its pack.
        codes: the file of codes that `cds-rules terminology update` wrote.

    Raises:
        CdsRulesError: no such pack. PackError: every mistake of every file.
    """
    from cds_rules.evaluate import build
    from cds_rules.knowledge.overlay import read_overlay
    from cds_rules.knowledge.pack import merged_tables, read_packs
    from cds_rules.vocabulary.errors import CdsRulesError

    installed = installed_packs()
    wanted = ([] if folders else list(installed)) if names is None else list(names)
    if unknown := [name for name in wanted if name not in installed]:
        raise CdsRulesError(
            f"no pack is installed under the name {', '.join(unknown)}; installed: {', '.join(sorted(installed)) or 'none'}"
        )
    found = [installed[name] for name in wanted] + list(folders)
    if not found:
        raise CdsRulesError(f"no pack is installed: nothing is registered in the entry point group {PACKS}")
    with _uncollected():
        packs = read_packs(found, parameters)
        overlay = read_overlay(codes, merged_tables(pack.tables for pack in packs)) if codes else ()
        return build(packs, _version(), overlay)


@contextmanager
def _uncollected() -> Iterator[None]:
    """What is built here is kept for good: the collector need not look for what of it can go."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


YOUNG = 20_000
"""New objects from which on the collector looks at them; an evaluation makes some thousands, and all of them go by themselves."""


def steady() -> None:
    """Tell the collector that this process judges one call after another: what is there by now stays."""
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("cds-rules")
    except PackageNotFoundError:  # the source tree without an installation
        return "0.0.0"


class _Facade(ModuleType):
    """Keeps the function `evaluate` at the name at which Python puts the module `evaluate` when that is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value.evaluate if name == "evaluate" and isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Facade

if not TYPE_CHECKING:  # a type checker shall know the names, not take every name for one

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name == "__version__":
            value = _version()
        elif name in _HOMES:
            value = getattr(import_module(_HOMES[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


__all__ = ["Call", "Document", "Evaluation", "Knowledge", "evaluate", "installed_packs", "load_packs", "steady"]
