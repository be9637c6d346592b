"""Our own synthetic sample requests, served so that a first call needs no file: GET /samples, GET /samples/{name}.json.

Flows in: the folder `fhir_samples` (beside the package in a checkout, inside it when installed), which holds a folder a
case. Flows out: bytes by name.
Floor: edge (service).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cds_rules.hooks.discovery import service_for
from cds_rules.hooks.request import BadRequest, read_request

_PACKAGE = Path(__file__).parents[1]
FOLDERS = (_PACKAGE / "fhir_samples", _PACKAGE.parent / "fhir_samples")


@dataclass(frozen=True, slots=True)
class Sample:
    """A request that can be sent as it is. service: the id of the service it is for."""

    name: str
    service: str
    body: bytes


def samples_folder(folders: tuple[Path, ...] = FOLDERS) -> Path | None:
    """The first folder that is there."""
    return next((each for each in folders if each.is_dir()), None)


def read_samples(folders: tuple[Path, ...] = FOLDERS) -> Mapping[str, Sample]:
    """NAME/request.json of the first folder that is there, by name; what is no request of a hook of ours is left out."""
    folder = samples_folder(folders)
    found: dict[str, Sample] = {}
    for path in sorted(folder.glob("*/request.json")) if folder else ():
        name, body = path.parent.name, path.read_bytes()
        try:
            hook = read_request(body).hook
        except BadRequest:
            continue
        if service := service_for(hook):
            found[name] = Sample(name, service.id, body)
    return found
