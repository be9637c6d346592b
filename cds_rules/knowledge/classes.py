"""From a product to the medication classes of clinical specification 5.1 in one order: route, reason, form and amount decide.

Floor: knowledge.
"""

from __future__ import annotations

import re

from cds_rules.vocabulary.chart import Dosage, Product

LOCAL = frozenset({"topical", "ophthalmic", "otic", "nasal", "inhaled"})
"""Routes that do not reach the whole body in an amount that counts."""

INTO_VEIN_OR_MUSCLE = frozenset({"iv", "im"})
_INJECTED = frozenset(
    {
        "aminoglycoside",
        "polymyxin",
        "nmb",
        "cisplatin",
        "anti-egfr-mab",
        "amphotericin-b",
        "foscarnet",
        "pentamidine-iv",
        "iron-sucrose-iv",
    }
)
"""Classes that mean the injected drug only (clinical specification 5.1)."""
_ANY_ROUTE = frozenset({"beta2-agonist"})
_BY_MOUTH = frozenset({"oral-bisphosphonate"})
_QT_ONLY_INJECTED = frozenset({"ondansetron"})

_ANTACID_SALTS = frozenset({"magnesium hydroxide", "magnesium carbonate", "magnesium trisilicate", "magnesium oxide"})
_ANTACID_PARTNERS = frozenset(
    {
        "aluminum hydroxide",
        "calcium carbonate",
        "alginic acid",
        "sodium alginate",
        "simethicone",
        "famotidine",
        "aluminum magnesium hydroxide",
    }
)
_ALWAYS_ANTACID = frozenset({"magaldrate", "hydrotalcite", "magnesium trisilicate"})
_FLUID = frozenset({"sodium chloride", "glucose", "sodium acetate", "lactate", "sodium gluconate", "sodium lactate"})
_BOTTLE_ML = 296.0
_PREPARATION_ML = 240.0
_LIQUID = re.compile(r"solution|suspension|liquid|syrup|elixir", re.IGNORECASE)
_ON_THE_SKIN = re.compile(r"\b(?:bath|soak|cream|lotion|spray|topical|ointment|flakes|gel|oil)\b", re.IGNORECASE)


def reaching(classes: frozenset[str], route: str | None) -> frozenset[str]:
    """The classes that hold for a product given by this route; None: not known.

    >>> sorted(reaching(frozenset({"qt-prolonging", "ketoconazole"}), "topical"))
    []
    >>> sorted(reaching(frozenset({"aminoglycoside"}), "inhaled")), sorted(reaching(frozenset({"beta2-agonist"}), "inhaled"))
    ([], ['beta2-agonist'])
    """
    return frozenset(each for each in classes if _reaches(each, route))


def _reaches(name: str, route: str | None) -> bool:
    if name.startswith("mg-"):
        return True
    if name in _ANY_ROUTE:
        return route not in ("topical", "ophthalmic", "otic")
    if name in _INJECTED:
        return route is None or route in INTO_VEIN_OR_MUSCLE
    if name in _BY_MOUTH:
        return route in (None, "oral")
    return route not in LOCAL


def magnesium_class(ingredients: tuple[str, ...], dose_form: str, route: str | None) -> str:
    """The class of a product that holds magnesium, before order, reason and amount are looked at.

    >>> magnesium_class(("magnesium hydroxide",), "Oral Suspension", "oral")
    'mg-laxative'
    >>> magnesium_class(("magnesium hydroxide",), "Chewable Tablet", "oral")
    'mg-antacid'
    """
    names = frozenset(ingredients)
    if route in LOCAL:
        return "mg-topical"
    if route == "rectal":
        return "mg-enema"
    salts = [each for each in ingredients if each.startswith("magnesium") or each in _ALWAYS_ANTACID]
    if "picosulfurate" in names or (names & {"sodium sulfate", "potassium sulfate"} and "magnesium sulfate" in names):
        return "mg-bowel-prep"
    if (
        names & _FLUID
        and route in (None, "iv")
        and names & {"magnesium chloride", "magnesium acetate", "magnesium sulfate"}
    ):
        return "mg-iv" if "amino acids" in names else "mg-iv-fluid"
    if "amino acids" in names:
        return "mg-iv"
    if names >= {"calcium acetate", "magnesium carbonate"}:
        return "mg-binder"
    if names & _ALWAYS_ANTACID or (
        names & _ANTACID_SALTS and names & _ANTACID_PARTNERS and len(names) <= 4 and _antacid(names)
    ):
        return "mg-antacid"
    if len(names) == 1:
        if salts == ["magnesium hydroxide"]:
            return "mg-antacid" if dose_form and not _LIQUID.search(dose_form) else "mg-laxative"
        if salts == ["magnesium citrate"] and _LIQUID.search(dose_form) and "powder" not in dose_form.casefold():
            return "mg-laxative"
        if salts == ["magnesium sulfate"]:
            return "mg-laxative" if route == "oral" else "mg-iv"
    return "mg-oral-supplement"


def _antacid(names: frozenset[str]) -> bool:
    """Magnesium oxide with calcium is a supplement; with aluminium or simethicone it is an antacid."""
    return bool(names & (_ANTACID_SALTS - {"magnesium oxide"}) or names & (_ANTACID_PARTNERS - {"calcium carbonate"}))


def classes(
    product: Product, *, route: str | None, reasons: frozenset[str], dosage: Dosage, label: str
) -> frozenset[str]:
    """The classes a medication really belongs to as it is ordered.

    Args:
        product: what the terminology knows.
        route: the ordered route, None when not said; then the product's own.
        reasons: words of `Medication.reasons`.
        dosage: the sig as read.
        label: what the record calls the product.

    Source:
        clinical specification 5.1, 9.3, 9.11. A magnesium product has exactly one mg- class; a reason decides before the usual
        class, and the amount (240 mL of citrate solution in a day) before the reason.
    """
    where = route or product.route
    found = reaching(product.classes, where)
    if product.ingredients and _QT_ONLY_INJECTED.issuperset(product.ingredients) and where not in INTO_VEIN_OR_MUSCLE:
        found -= {"qt-prolonging"}
    usual = [each for each in found if each.startswith("mg-")]
    if not usual:
        return found
    if "mg-trace" in usual:
        return found - frozenset(usual) | {"mg-trace"}
    return found - frozenset(usual) | {_magnesium(product, usual[0], where, reasons, dosage, label)}


def _magnesium(
    product: Product, usual: str, where: str | None, reasons: frozenset[str], dosage: Dosage, label: str
) -> str:
    if (
        usual == "mg-topical"
        or where in LOCAL
        or (where is None and _ON_THE_SKIN.search(f"{label} {product.dose_form}"))
    ):
        return "mg-topical"
    if usual == "mg-iv-fluid":
        return usual
    if where in INTO_VEIN_OR_MUSCLE or (where is None and usual == "mg-iv"):
        return "mg-iv"
    if where == "rectal":
        return "mg-enema"
    if usual in ("mg-bowel-prep", "mg-binder") and "bowel-cleansing" not in reasons:
        return usual
    if "bowel-cleansing" in reasons or _citrate_ml(product, dosage) >= _PREPARATION_ML:
        return "mg-bowel-prep"
    if "constipation" in reasons:
        return "mg-laxative"
    if "dyspepsia" in reasons:
        return "mg-antacid"
    if "hyperphosphatemia" in reasons:
        return "mg-binder"
    return "mg-laxative" if usual == "mg-iv" else usual  # injection solution or plain sulfate, ordered by mouth


def _citrate_ml(product: Product, dosage: Dosage) -> float:
    """Millilitres a day of magnesium citrate solution, 0 for anything else or when not known."""
    content = product.magnesium
    if (
        content is None
        or content.salt != "magnesium citrate"
        or not (content.per == "mL" or _LIQUID.search(product.dose_form))
    ):
        return 0.0
    amounts = [(dosage.dose, 1.0 if dosage.per_day is None else dosage.per_day), (dosage.maximum_per_day, 1.0)]
    return max(
        (
            _millilitres(product, dosage, amount.value, amount.unit) * times
            for amount, times in amounts
            if amount is not None
        ),
        default=0.0,
    )


def _millilitres(product: Product, dosage: Dosage, value: float, unit: str) -> float:
    strength = product.magnesium.strength_mg if product.magnesium and product.magnesium.per == "mL" else None
    if unit == "mL":
        return value
    if unit in ("mg", "g") and strength:
        return value * (1000 if unit == "g" else 1) / strength
    if unit == "unit" and "bottle" in dosage.text.casefold():
        return value * _BOTTLE_ML
    return 0.0
