"""What an operator may set, from the environment (CDS_RULES_...) or in code; checked before anything starts.

Floor: edge (service).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast
from urllib.parse import urlsplit

from cds_rules.hooks.response import Unjudged
from cds_rules.vocabulary.errors import CdsRulesError

PREFIX = "CDS_RULES_"
MIB = 1024 * 1024


class SettingsError(CdsRulesError):
    """The service cannot start like this; carries every mistake."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Settings:
    """How the service runs.

    max_body: bytes of a request, also after unpacking. allowed_origins: of browsers; "*" for any. unjudged: what a client is
    answered when no card applies and something could not be judged. samples: serve the sample requests. heed_at: judge as
    of the instant in a request's extension `dev.cds-rules.at`, for tests and teaching: else whoever calls could choose it.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    max_body: int = 10 * MIB
    allowed_origins: tuple[str, ...] = ("*",)
    unjudged: Unjudged = "status"
    samples: bool = True
    heed_at: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read CDS_RULES_HOST, CDS_RULES_PORT and so on, one for each field.

        Raises:
            SettingsError: every variable of ours that is unknown or cannot be read.
        """
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in (os.environ if environment is None else environment).items()
            if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in _OTHERS
        }
        known = {field.name for field in fields(cls)}
        mistakes = [
            f"{PREFIX}{name.upper()}: no such setting; there are {', '.join(PREFIX + each.upper() for each in sorted(known))}"
            for name in sorted(given.keys() - known)
        ]
        values: dict[str, Any] = {}
        for name in sorted(given.keys() & known):
            try:
                values[name] = _READERS[name](given[name].strip())
            except ValueError as error:
                mistakes.append(f"{PREFIX}{name.upper()}: {error}")
        if mistakes:
            raise SettingsError(tuple(mistakes))
        return cls(**values)


_OTHERS = frozenset({"shared"})
"""Names with our prefix that are not the service's."""


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def read(said: str) -> int:
        if not said.isdecimal() or not lowest <= int(said) <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest} belongs here")
        return int(said)

    return read


def _flag(said: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if said.lower() not in words:
        raise ValueError("true or false belongs here")
    return words[said.lower()]


def _host(said: str) -> str:
    if not said or any(each.isspace() for each in said):
        raise ValueError("a host name or address belongs here")
    return said


def _origins(said: str) -> tuple[str, ...]:
    origins = tuple(filter(None, (each.strip() for each in said.split(","))))
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query):
            raise ValueError('origins such as "https://ehr.example.org", with commas between them, or "*" belong here')
    return origins


def _unjudged(said: str) -> Unjudged:
    if said not in ("status", "card"):
        raise ValueError('"status" or "card" belongs here')
    return cast(Unjudged, said)


_READERS: Mapping[str, Callable[[str], Any]] = {
    "host": _host,
    "port": _whole(0, 65535),
    "workers": _whole(1, 64),
    "max_body": _whole(1024, 1024 * MIB),
    "allowed_origins": _origins,
    "unjudged": _unjudged,
    "samples": _flag,
    "heed_at": _flag,
}
