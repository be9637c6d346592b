"""A drafted order with a lower dose: fewer units, fewer times, or the same drug in a lower strength of the pack's tables.

Flows in: the draft as it came, what was read of it, a limit. Flows out: the whole order with only the dose changed, and the
new dose in words; None where it cannot be told with certainty what to write. Only whole units are offered.
Floor: cards.
"""

from __future__ import annotations

import math
from typing import Any

from cds_rules.fhir.wire import body_of
from cds_rules.knowledge.pack import Rows
from cds_rules.vocabulary.chart import Medication
from cds_rules.vocabulary.frozen import Frozen
from cds_rules.vocabulary.quantities import plain
from cds_rules.vocabulary.wording import Said, said

Json = dict[str, Any]
_TOLERANCE = 1e-9


class Limit(Frozen, frozen=True):
    """What a revised draft may leave: mg a day of its ingredient; `below`: the limit itself is too much."""

    mg: float
    below: bool = False

    def allows(self, daily_mg: float) -> bool:
        """Whether a daily dose keeps to it."""
        return daily_mg < self.mg - _TOLERANCE if self.below else daily_mg <= self.mg + _TOLERANCE

    def most(self, step_mg: float) -> int:
        """How many steps of some size fit."""
        count = max(math.floor(self.mg / step_mg + _TOLERANCE), 0)
        return count if self.allows(count * step_mg) else count - 1


def lower_times(body: bytes, medication: Medication, excess_mg: float) -> tuple[Json, Said] | None:
    """The draft of a magnesium product so many fewer times a day that `excess_mg` of magnesium a day is gone."""
    content, dose, per_day = medication.product.magnesium, medication.dosage.dose, medication.dosage.per_day
    if content is None or content.elemental_mg is None or dose is None or dose.unit != content.per or not per_day:
        return None
    resource = body_of(body)
    try:
        (instruction,) = resource["dosageInstruction"]
        repeat = instruction["timing"]["repeat"]
        usual = repeat["period"] == 1 and repeat["periodUnit"] == "d" and repeat["frequency"] == per_day
    except (KeyError, TypeError, ValueError):
        return None
    times = math.floor(per_day - excess_mg / (content.elemental_mg * dose.value) + _TOLERANCE)
    if not usual or not 1 <= times < per_day:
        return None
    repeat["frequency"] = times
    instruction["timing"].pop("code", None)
    words = times_words(times)
    instruction["text"] = str(words)
    return resource, words


def lower_dose(body: bytes, medication: Medication, limit: Limit, products: Rows) -> tuple[Json, Said] | None:
    """The draft of a drug with one ingredient at the highest dose that keeps to a limit, as often a day as before.

    Fewer units of the same product where that is possible; else the one generic product of the pack's tables with the same
    ingredient and dose form that fits.
    """
    product, dose, per_day = medication.product, medication.dosage.dose, medication.dosage.per_day
    if len(product.ingredients) != 1 or len(product.strengths) != 1 or dose is None or not per_day:
        return None
    ((_, strength_mg, per),) = product.strengths
    if per != "unit" or per_day != int(per_day) or medication.dosage.prn:
        return None
    units = dose.value / strength_mg if dose.unit == "mg" else dose.value if dose.unit == "unit" else 0.0
    if units < 1 or abs(units - round(units)) > _TOLERANCE or limit.allows(units * strength_mg * per_day):
        return None
    resource = body_of(body)
    try:
        (instruction,) = resource["dosageInstruction"]
        (rate,) = instruction["doseAndRate"]
        quantity = rate["doseQuantity"]
        same = abs(quantity["value"] - dose.value) <= _TOLERANCE
    except (KeyError, TypeError, ValueError):
        return None
    if not same:
        return None
    fewer = limit.most(strength_mg * per_day)
    new_mg, count = strength_mg, fewer
    if fewer < 1:
        found = _weaker(resource, medication, limit, round(units) * per_day, products)
        if found is None:
            return None
        new_mg, row = found
        count = round(units)
        resource["medicationCodeableConcept"] = {
            "coding": [{"system": row["system"], "code": row["code"], "display": row["display"]}],
            "text": row["display"],
        }
    quantity["value"] = count * new_mg if dose.unit == "mg" else count
    if quantity["value"] == int(quantity["value"]):
        quantity["value"] = int(quantity["value"])
    unit = str(quantity.get("unit") or quantity.get("code") or "unit")
    instruction["text"] = f"{plain(quantity['value'])} {unit} {times_words(int(per_day))}"
    instruction.pop("patientInstruction", None)
    return resource, said("{amount} mg a day", amount=plain(count * new_mg * per_day))


def _weaker(
    resource: Json, medication: Medication, limit: Limit, units_per_day: float, products: Rows
) -> tuple[float, dict[str, str]] | None:
    """The highest strength that fits, when just one generic product has it in the same dose form."""
    (ingredient,) = medication.product.ingredients
    if "medicationCodeableConcept" not in resource:
        return None
    strengths: dict[float, list[dict[str, str]]] = {}
    for row in products:
        amount, _, unit = row["strengths"].partition(" ")
        if (row["key"], row["tty"], row["dose_form"], unit) != (ingredient, "SCD", medication.product.dose_form, "MG"):
            continue
        if limit.allows(float(amount) * units_per_day):
            strengths.setdefault(float(amount), []).append(dict(row))
    if not strengths or len(strengths[max(strengths)]) != 1:
        return None
    return max(strengths), strengths[max(strengths)][0]


def times_words(times: int) -> Said:
    """Times a day as an order says it.

    >>> str(times_words(1)), str(times_words(3))
    ('once a day', '3 times a day')
    """
    return said("once a day") if times == 1 else said("{count} times a day", count=times)
