"""Units of measured values: spellings as they occur, and factors into the canonical unit of each key (clinical specification 3.4).

Flows in: rows of `units`, `unit_conversions` and `plausible`. Flows out: `Units`. Floor: knowledge.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from cds_rules.knowledge.codes import UCUM, system_name

Row = Mapping[str, str]

_SPACE = re.compile(r"\s+")
_REMEMBERED = 4096
_ENDLESS = (-math.inf, math.inf)
_BARE = ("egfr_reported",)
"""Keys whose value may stand without a unit."""


def spelling(unit: str) -> str:
    """A unit as it is compared: trimmed, without case, micro signs as u, squares as digits.

    >>> spelling(" µmol/L "), spelling("mL/min/1.73 m²")
    ('umol/l', 'ml/min/1.73 m2')
    """
    plain = unit.strip().replace("\u00b5", "u").replace("\u03bc", "u").replace("\u00b2", "2")
    return _SPACE.sub(" ", plain).casefold()


class Units:
    """Spellings, factors and plausible ranges."""

    def __init__(self, spellings: Iterable[Row], conversions: Iterable[Row], ranges: Iterable[Row]) -> None:
        """Build from table rows; a factor is a number or a quotient such as "1/88.4"."""
        self._factors: dict[str, dict[str, float]] = {}
        self._canonical: dict[str, str] = {}
        for row in conversions:
            self._factors.setdefault(row["key"], {})[row["ucum"]] = _factor(row["factor"])
            self._canonical[row["key"]] = row["canonical"]
        self._ucum = {spelling(row["raw"]): row["ucum"] for row in spellings}
        for factors in self._factors.values():
            self._ucum |= {spelling(unit): unit for unit in factors if unit and spelling(unit) not in self._ucum}
        self._ranges = {row["key"]: (float(row["low"]), float(row["high"])) for row in ranges}
        self._factor = lru_cache(_REMEMBERED)(self._factor_of)
        self._measures = lru_cache(_REMEMBERED)(self._measures_any)

    def canonical(self, key: str) -> str:
        """The unit of a key after conversion, "" for a key without numbers."""
        return self._canonical.get(key, "")

    def plausible(self, key: str, value: float) -> bool:
        """Whether a living patient can have this value; a key without a range takes every number."""
        low, high = self._ranges.get(key, _ENDLESS)
        return low <= value <= high

    def convert(self, key: str, value: float, unit: str, code: str, system: str) -> float | str:
        """A value in the canonical unit of its key.

        Returns:
            The number; or "unit" when the unit is missing or not one of this key; or "unit-conflict" when the unit and
            its UCUM code mean different things: then neither is believed.
        """
        factor = self._factor(key, unit, code, system)
        return factor if isinstance(factor, str) else value * factor

    def _factor_of(self, key: str, unit: str, code: str, system: str) -> float | str:
        factors = self._factors.get(key)
        if factors is None:
            return "unit"
        written = self._ucum.get(spelling(unit)) if unit else None
        coded = self._ucum.get(spelling(code)) if code and (not system or system_name(system) == UCUM) else None
        if (
            written is not None
            and coded is not None
            and written != coded
            and factors.get(written) != factors.get(coded)
        ):
            return "unit-conflict"
        if coded is None and code and system_name(system) == UCUM and written is None:
            return "unit"
        meant = next((each for each in (coded, written) if each is not None and each in factors), None)
        if meant is None:
            return 1.0 if key in _BARE and not unit.strip() and not code.strip() else "unit"
        return factors[meant]

    def measures(self, unit: str, code: str, system: str) -> bool:
        """Whether a number with this unit, or with none, could be a value of one of the keys."""
        return self._measures(unit, code, system)

    def _measures_any(self, unit: str, code: str, system: str) -> bool:
        bare = not unit.strip() and not code.strip()
        return bare or any(not isinstance(self._factor(key, unit, code, system), str) for key in self._factors)

    def converted(self, key: str, value: float, unit: str, wanted: str) -> float | str:
        """A value in any accepted unit of its key, or the reason word of `convert`."""
        canonical = self.convert(key, value, unit, "", "")
        if isinstance(canonical, str):
            return canonical
        one = self.convert(key, 1.0, wanted, "", "")
        return one if isinstance(one, str) else canonical / one


def _factor(text: str) -> float:
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)
