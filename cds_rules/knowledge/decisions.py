"""Project decisions that derived facts, cards and the store rest on, with the values of the clinical specification.

A pack declares each as a parameter with its bounds, and a site may change it there; rules name parameters themselves
(`$name`) and need nothing from here. Flows in: the packs' parameters. Flows out: `Decisions`. Floor: knowledge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cds_rules.knowledge.rules import Parameter
from cds_rules.vocabulary.frozen import Frozen


class Decisions(Frozen, frozen=True):
    """One value for each decision [P] of the clinical specification that is not a number of a single rule.

    Limits of magnesium and its bands in mg/dL (3.6, 3.7); of CK in U/L (3.8). aki_reference: which baseline creatinine is
    compared with (3.3). egfr_basis: creatinine alone, or with cystatin C where both are there (3.1). statin_kidney_measure:
    what limits of statin doses are judged by (2.26). unconfirmed_conditions: whether a provisional diagnosis is a note or
    counts like a confirmed one (4.3). override_silence: days an override silences info and warning; _critical: critical (6).
    """

    magnesium_lower_limit: float = 1.7
    magnesium_upper_limit: float = 2.4
    mg_band_moderate: float = 4.8
    mg_band_severe: float = 7.2
    mg_band_extreme: float = 12.0
    ck_upper_limit: float = 200.0
    ck_upper_limit_female: float = 170.0
    aki_reference: str = "smaller"
    egfr_basis: str = "creatinine"
    statin_kidney_measure: str = "egfr"
    unconfirmed_conditions: str = "note"
    override_silence: float = 90.0
    override_silence_critical: float = 7.0


NAMES = Decisions.__struct_fields__
STANDARD = Decisions()
"""As the clinical specification decides."""


def settled(packs: Iterable[Mapping[str, Parameter]]) -> dict[str, float | str]:
    """The value of each parameter by name; the first pack that declares one is heard."""
    found: dict[str, float | str] = {}
    for parameters in packs:
        for name, parameter in parameters.items():
            found.setdefault(name, parameter.value)
    return found


def decisions_of(values: Mapping[str, float | str]) -> Decisions:
    """The decisions among the values of parameters; what no pack declares stays as the clinical specification has it."""
    known: dict[str, Any] = {name: values[name] for name in NAMES if name in values}
    return Decisions(**known)
