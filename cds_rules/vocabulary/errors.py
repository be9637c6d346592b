"""Errors of the whole house, one family under one base class.

A message says where, what was found and what belongs there. It never holds patient data.
Floor: vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass


class CdsRulesError(Exception):
    """Base of every error this package raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake in a file that a person wrote.

    path is the file as the reader named it, where the key path inside it ("levels[1].when"), line 1-based or 0 when
    not known, message what was found and what belongs there.
    """

    path: str
    where: str
    message: str
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.where}: {self.message}" if self.where else f"{place}: {self.message}"


class PackError(CdsRulesError):
    """A rule pack cannot be used; carries every mistake that was found, not only the first."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


class BadInput(CdsRulesError):
    """Input from outside cannot be read at all; the message names the place and what belongs there, no patient data."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where


class MatcherError(CdsRulesError):
    """A matcher failed or was asked for something outside its safe subset."""
