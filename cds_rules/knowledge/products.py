"""Medications: codes and names of products -> ingredients, strengths, form, route, classes and elemental magnesium.

The order is that of the terminology tables: RxNorm, then ATC, then NDC, then the text; where a code only names the
ingredient, the text may add strength and form. Read from text is only what stands there with certainty.
Flows in: rows of the medication tables. Flows out: `Products`. Floor: knowledge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cds_rules.knowledge.classes import magnesium_class, reaching
from cds_rules.knowledge.codes import ATC, NDC, RXNORM, Codes, ndc11, system_name
from cds_rules.knowledge.phrases import Phrases, fold
from cds_rules.vocabulary.chart import MagnesiumContent, Product
from cds_rules.vocabulary.frozen import Frozen, replace

Row = Mapping[str, str]
Coding = tuple[str, str, str]
Strength = tuple[str, float, str]

_NUMBER = r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?)"
_STRENGTH = re.compile(
    _NUMBER + r"\s*(mg|g|gm|gms|gram|grams|mcg|ug|microgram|micrograms|mikrogramm|milligram|milligrams)\b"
    r"(?:\s*/\s*(\d+(?:[.,]\d+)?)?\s*(ml|milliliter|milliliters|l|liter|actuation|actuat|puff|dose|tablet|tab|capsule|cap|g|mg|kg|hr|h|hour|24h|24hr)\b)?"
)
_LIST = re.compile(r"\b(\d+(?:\.\d+)?(?:\s*[-/]\s*\d+(?:\.\d+)?)+)\s*(mg|mcg)\b")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_IN_VOLUME = re.compile(r"\bin\s+(\d+(?:\.\d+)?)\s*ml\b")
_BY_WEIGHT = re.compile(r"\d\s*mg\s*/\s*g\b")
_ELEMENTAL = re.compile(
    r"(\d+(?:[.,]\d+)?)\s*mg\s+(?:of\s+)?elemental\b"
    r"|\belemental(?:\s+(?:magnesium|mg))?\s*:?\s*(\d+(?:[.,]\d+)?)\s*mg\b"
    r"|(\d+(?:[.,]\d+)?)\s*mg\s*\(?\s*(?:as|of)\s+magnesium\s*(?:\)|\Z)"
    r"|\d\s*\((\d+(?:[.,]\d+)?)\s*mg\)\s*mg\b"
)
_SALT_THEN_ELEMENTAL = re.compile(r"(\d+(?:[.,]\d+)?)\s*\(\d+(?:[.,]\d+)?\s*mg\)\s*mg\b")
_MILLIMOLES = re.compile(r"(\d+(?:[.,]\d+)?)\s*mmol\b(?:\s*/\s*(\d+(?:[.,]\d+)?)?\s*(ml)\b)?")
_MG_PER_MMOL = 24.305
_BARE_AMOUNT = re.compile(r"(\d+(?:[.,]\d+)?)\s*mg\s+(?:of\s+)?magnesium\s*\)")
_RXNORM_STRENGTH = re.compile(r"([\d.]+) (MG|GM|MCG)(?:/(ML|ACTUAT))?\Z")
_TO_MG = {
    "mg": 1.0,
    "milligram": 1.0,
    "milligrams": 1.0,
    "g": 1000.0,
    "gm": 1000.0,
    "gms": 1000.0,
    "gram": 1000.0,
    "grams": 1000.0,
}
_NOT_A_STRENGTH = frozenset({"g", "mg", "kg", "hr", "h", "hour", "24h", "24hr"})
_ANATOMICAL_ROUTE = (
    ("D", "topical"),
    ("S01", "ophthalmic"),
    ("S02", "otic"),
    ("S03", "ophthalmic"),
    ("R01", "nasal"),
    ("G01", "topical"),
)
_LABELLED_SALTS = frozenset({"magnesium", "magnesium amino acid chelate"})
_SALT_STRENGTH = frozenset(
    {
        "magnesium hydroxide",
        "magnesium sulfate",
        "magnesium salicylate",
        "magnesium trisilicate",
        "magaldrate",
        "magnesium acetate",
    }
)
_OUTSIDE = frozenset({"dialysis", "irrigation"})
_BULK = frozenset({"potassium-supplement", "calcium-supplement", "niacin"})
_LESS_MAGNESIUM_MG_PER_ML = 1.0
_PARENTERAL = frozenset({"iv_magnesium", "parenteral_nutrition", "iv_fluid_or_electrolyte_mix"})


class _Name(Frozen, frozen=True):
    """What a name in a text stands for. kind: name, trace, labelled, exclude or fluid; product: RxNorm code it stands for."""

    ingredients: tuple[str, ...]
    kind: str
    product: str
    route: str


class _Told(Frozen, frozen=True):
    """What a text says of a product, with certainty."""

    ingredients: tuple[str, ...]
    strengths: tuple[Strength, ...]
    dose_form: str
    route: str | None
    trace: bool
    fluid: bool
    elemental_mg: float | None
    elemental_per: str
    stands_for: str


class Products:
    """Everything known of medications."""

    def __init__(self, tables: Mapping[str, Sequence[Row]]) -> None:
        """Build from medication_classes, medication_names, rxnorm_products, ndc, dose_forms, magnesium_products, magnesium_salts."""
        classes = tables.get("medication_classes", ())
        self._classes_of: dict[str, set[str]] = {}
        self._ingredient_codes: dict[str, str] = {}
        self._trace_codes = {row["code"] for row in classes if row["key"] == "mg-trace" and row["code"]}
        for row in classes:
            if system_name(row["system"]) != ATC and row["key"] not in ("", "mg-trace"):
                self._classes_of.setdefault(row["ingredient"], set()).add(row["key"])
            if system_name(row["system"]) == RXNORM:
                self._ingredient_codes[row["code"]] = row["ingredient"]
        atc = [row for row in classes if system_name(row["system"]) == ATC]
        self._atc = Codes(
            [(row["system"], row["code"], row["key"]) for row in atc if row["key"] and not row["key"].startswith("!")],
            [(row["system"], row["code"], row["key"][1:]) for row in atc if row["key"].startswith("!")],
            key=str,
        )
        self._atc_ingredients = {row["code"]: _split(row["ingredient"]) for row in atc if row["ingredient"]}
        self._fractions = {
            row["key"]: float(row["fraction"]) for row in tables.get("magnesium_salts", ()) if row["fraction"]
        }
        self._contents: dict[str, tuple[MagnesiumContent, str]] = {}
        self._by_strength: dict[tuple[str, float, str], MagnesiumContent] = {}
        for row in tables.get("magnesium_products", ()):
            content = _content(row)
            if row["code"]:
                self._contents[row["code"]] = (content, row["category"])
            if content.strength_mg is not None and "/" not in row["display"].replace("MG/ML", ""):
                self._by_strength.setdefault((content.salt, content.strength_mg, content.per), content)
        self._names: Phrases[_Name] = Phrases(
            (
                (row["display"], _Name(_split(row["key"]), row["kind"], row["product"], row["route"]))
                for row in tables.get("medication_names", ())
            ),
            breaks=True,
        )
        self._forms: Phrases[tuple[str, str]] = Phrases(
            (row["display"], (row["key"], row["route"])) for row in tables.get("dose_forms", ())
        )
        self._rows = {row["code"]: row for row in tables.get("rxnorm_products", ())}
        self._met: dict[str, Product] = {}
        self._ndc = {ndc11(row["code"]): row["key"] for row in tables.get("ndc", ())}

    def find(self, codings: Sequence[Coding], text: str) -> Product | None:
        """Say what a medication is, or None when nothing is known of it."""
        coded, specific, atc = self._by_code(codings)
        told = self._by_text(codings, text)
        if coded is None:
            return self._product(told, atc) if told else None
        if told is None:
            return coded
        if specific:
            return self._with_trace(coded) if told.trace else coded
        same = (
            not coded.ingredients
            or set(coded.ingredients) & set(told.ingredients)
            or (set(told.ingredients) == {"magnesium"} and coded.magnesium)
        )
        return self._merged(coded, told, atc) if same else coded

    # ---- codes

    def _by_code(self, codings: Sequence[Coding]) -> tuple[Product | None, bool, str]:
        by_system: dict[str, list[str]] = {}
        for uri, code, _ in codings:
            if code and (name := system_name(uri)):
                by_system.setdefault(name, []).append(code.strip())
        atc = next((each.upper() for each in by_system.get(ATC, ())), "")
        products = [product for code in by_system.get(RXNORM, ()) if (product := self._rxnorm(code))]
        if products:
            best = max(products, key=lambda each: (bool(each.strengths), bool(each.dose_form)))
            return best, bool(best.strengths or (best.magnesium and best.magnesium.elemental_mg)), ""
        for code in by_system.get(ATC, ()):
            if product := self._by_atc(code.upper()):
                return product, False, atc
        for code in by_system.get(NDC, ()):
            if product := self._coded(self._ndc.get(ndc11(code), "")):
                return product, bool(product.strengths), atc
        return None, False, atc

    def _rxnorm(self, code: str) -> Product | None:
        if product := self._coded(code):
            return product
        if ingredient := self._ingredient_codes.get(code):
            return self._plain((ingredient,), trace=code in self._trace_codes)
        return None

    def _by_atc(self, code: str) -> Product | None:
        keys = frozenset(self._atc.of("http://www.whocc.no/atc", code))
        ingredients = self._atc_ingredients.get(code, ())
        if not keys and not ingredients:
            return None
        route = "iv" if "mg-iv" in keys else "topical" if "mg-topical" in keys else None
        magnesium = self._magnesium(ingredients, (), "", None) if any(each.startswith("mg-") for each in keys) else None
        named = self._named(ingredients) if not any(each.startswith("mg-") for each in keys) else frozenset()
        return Product(ingredients, reaching(keys | named, route), route=route, magnesium=magnesium)

    def _coded(self, code: str) -> Product | None:
        """The product of an RxNorm code, worked out when it is first met: most never are."""
        if code not in self._met:
            row = self._rows.get(code)
            if row is None:
                return None
            self._met[code] = self._coded_product(row)
        return self._met[code]

    def _coded_product(self, row: Row) -> Product:
        ingredients = _split(row["key"])
        strengths = tuple(
            (ingredient, amount, per)
            for ingredient, text in zip(ingredients, _split(row["strengths"]) or ("",) * len(ingredients), strict=False)
            for amount, per in _rxnorm_strength(text)
        )
        outside = row["route"] in _OUTSIDE
        route = None if not row["route"] else "other" if outside else row["route"]
        content, category = self._contents.get(row["code"]) or self._contents.get(row["generic"]) or (None, "")
        if outside or category.startswith("excluded"):
            return Product(ingredients, frozenset(), strengths, row["dose_form"], route or "other")
        plain = self._plain(ingredients, strengths, row["dose_form"], route)
        if content is None:
            return plain
        others = frozenset(each for each in plain.classes if not each.startswith("mg-"))
        return replace(plain, classes=others | {self._category(content, category, plain)}, magnesium=content)

    def _category(self, content: MagnesiumContent, category: str, product: Product) -> str:
        if category in _PARENTERAL:
            weak = (
                category == "iv_fluid_or_electrolyte_mix" and (content.elemental_mg or 0.0) < _LESS_MAGNESIUM_MG_PER_ML
            )
            return "mg-iv-fluid" if weak else "mg-iv"
        if category in ("multivitamin_or_mixed_supplement", "analgesic_magnesium_salicylate"):
            return "mg-oral-supplement"
        return magnesium_class(product.ingredients, product.dose_form, product.route)

    # ---- names

    def _by_text(self, codings: Sequence[Coding], text: str) -> _Told | None:
        for each in (text, *(display for _, _, display in codings)):
            if each and (told := self._read(each)):
                return told
        return None

    def _read(self, text: str) -> _Told | None:
        folded = fold(text)
        spans = self._names.spans(folded)
        named = [(start, end, meanings[0]) for start, end, meanings in spans if meanings[0].ingredients]
        bare = any(each.ingredients == ("magnesium",) for _, _, each in named)
        salts = [each for each in named if _is_salt(each[2].ingredients)]
        if bare and salts:
            named = [each for each in named if each[2].ingredients != ("magnesium",)]
        if not named:
            return None
        ingredients: list[str] = []
        for _, _, each in named:
            ingredients += [name for name in each.ingredients if name not in ingredients]
        form, route = self._form(folded)
        if route is None:
            route = next((each.route for _, _, each in named if each.route), None)
        strengths = _strengths(folded, named, form)
        elemental, per = _elemental(folded, bare and bool(salts))
        if elemental is None and any(each.kind == "labelled" for _, _, each in named) and len(strengths) == 1:
            elemental, per = strengths[0][1], strengths[0][2]
        return _Told(
            ingredients=tuple(ingredients),
            strengths=strengths,
            dose_form=form,
            route=route,
            trace=any(each.kind == "trace" for _, _, each in named),
            fluid=any(each.kind == "fluid" for _, _, each in named),
            elemental_mg=elemental,
            elemental_per=per,
            stands_for=named[0][2].product if len(named) == 1 else "",
        )

    def _form(self, folded: str) -> tuple[str, str | None]:
        forms = [meanings[0] for _, _, meanings in self._forms.spans(folded)]
        if not forms:
            return ("cream", "topical") if _BY_WEIGHT.search(folded) else ("", None)
        special = [each for each in forms if each[1] not in ("", "oral")]
        form, route = (special or [each for each in forms if each[1]] or forms)[0]
        return form, route or None

    def _product(self, told: _Told, atc: str) -> Product:
        stand_in = self._coded(told.stands_for)
        if stand_in and not told.strengths and told.elemental_mg is None and told.route in (None, stand_in.route):
            return stand_in
        route = told.route or next((route for prefix, route in _ANATOMICAL_ROUTE if atc.startswith(prefix)), None)
        if told.fluid:
            return Product(told.ingredients, frozenset({"mg-iv-fluid"}), told.strengths, told.dose_form, "iv")
        form = told.dose_form or (stand_in.dose_form if stand_in else "")
        made = self._plain(
            told.ingredients, told.strengths, form, route or (stand_in.route if stand_in else None), told.trace
        )
        return self._labelled(made, told)

    def _merged(self, coded: Product, told: _Told, atc: str) -> Product:
        """A product whose code names the ingredient, with strength and form from the text."""
        text = self._product(told, atc)
        ingredients = coded.ingredients if coded.ingredients and not text.magnesium else text.ingredients
        classes = frozenset(each for each in coded.classes | text.classes if not each.startswith("mg-"))
        mine = next((each for each in coded.classes if each.startswith("mg-")), None)
        other = next((each for each in text.classes if each.startswith("mg-")), None)
        form = coded.dose_form or text.dose_form
        route = coded.route or text.route
        settled = mine or other
        if set(text.ingredients) == {"magnesium hydroxide"} and text.dose_form:
            settled = other  # liquid or tablet decides (clinical specification 9.11), not the group it is filed under
        elif mine == "mg-iv" and other and text.route in ("oral", "topical"):
            settled, route = other, text.route
        elif other and not atc and coded.magnesium is not None:
            settled = other  # the code says no more than the salt; the text knows the form
        return Product(
            ingredients=ingredients or coded.ingredients,
            classes=classes | ({settled} if settled else frozenset()),
            strengths=coded.strengths or text.strengths,
            dose_form=form,
            route=route,
            magnesium=text.magnesium or coded.magnesium,
        )

    def _labelled(self, product: Product, told: _Told) -> Product:
        if told.elemental_mg is None or product.magnesium is None:
            return product
        content = MagnesiumContent(
            product.magnesium.salt,
            told.elemental_mg,
            told.elemental_per,
            "elemental",
            None,
            product.magnesium.strength_mg or told.elemental_mg,
        )
        return replace(product, magnesium=content)

    def _with_trace(self, product: Product) -> Product:
        return replace(product, classes=product.classes | {"mg-trace"})

    # ---- ingredients

    def _plain(
        self,
        ingredients: tuple[str, ...],
        strengths: tuple[Strength, ...] = (),
        dose_form: str = "",
        route: str | None = None,
        trace: bool = False,
    ) -> Product:
        classes = reaching(self._named(ingredients), route)
        magnesium = None
        if trace:
            classes |= {"mg-trace"}
        elif any(_holds_magnesium(each) for each in ingredients):
            usual = magnesium_class(ingredients, dose_form, route)
            classes = classes - _BULK | {usual}
            magnesium = self._magnesium(ingredients, strengths, dose_form, route)
        return Product(ingredients, classes, strengths, dose_form, route, magnesium)

    def _named(self, ingredients: tuple[str, ...]) -> frozenset[str]:
        found = frozenset(key for each in ingredients for key in self._classes_of.get(each, ()))
        return found - _BULK if len(ingredients) > 2 else found

    def _magnesium(
        self, ingredients: tuple[str, ...], strengths: tuple[Strength, ...], dose_form: str, route: str | None
    ) -> MagnesiumContent:
        salts = [each for each in ingredients if _holds_magnesium(each)]
        if len(salts) != 1:
            return MagnesiumContent(salts[0] if salts else "", None, "unit", "unknown")
        salt = salts[0]
        basis = "elemental" if salt in _LABELLED_SALTS else "salt"
        strength = next(((amount, per) for name, amount, per in strengths if name == salt), None)
        if strength is None:
            return MagnesiumContent(salt, None, "unit", basis)
        amount, per = strength
        if len(ingredients) == 1 and (known := self._by_strength.get((salt, amount, per))):
            return known
        if basis == "elemental":
            return MagnesiumContent(salt, amount, per, basis, None, amount)
        fraction = self._fractions.get(salt)
        elemental = None if fraction is None else amount * fraction
        certain = per == "mL" or salt in _SALT_STRENGTH or len(ingredients) > 1 or route == "iv"
        return MagnesiumContent(
            salt, elemental, per, "salt" if certain else "ambiguous", None if certain else amount, amount
        )


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()


def _holds_magnesium(ingredient: str) -> bool:
    return ingredient.startswith("magnesium") or ingredient in ("magaldrate", "hydrotalcite")


def _is_salt(ingredients: tuple[str, ...]) -> bool:
    return any(_holds_magnesium(each) and each != "magnesium" for each in ingredients)


def _optional(text: str) -> float | None:
    return float(text) if text else None


def _content(row: Row) -> MagnesiumContent:
    return MagnesiumContent(
        row["key"].split("|")[0],
        _optional(row["elemental_mg"]),
        row["per"],
        row["basis"],
        _optional(row["upper_mg"]),
        _optional(row["strength_mg"]),
    )


def _rxnorm_strength(text: str) -> list[tuple[float, str]]:
    match = _RXNORM_STRENGTH.match(text)
    if match is None:
        return []
    factor = {"MG": 1.0, "GM": 1000.0, "MCG": 0.001}[match[2]]
    return [(float(match[1]) * factor, "mL" if match[3] == "ML" else "unit")]


def _number(text: str) -> float:
    """A number with commas as thousands or as decimal sign.

    >>> _number("10,000"), _number("12,5"), _number("1.745")
    (10000.0, 12.5, 1.745)
    """
    head, comma, tail = text.rpartition(",")
    if comma and len(tail.partition(".")[0]) == 3 and head != "0":
        return float(text.replace(",", ""))
    return float(text.replace(",", "."))


def _amounts(folded: str) -> list[tuple[int, float, str]]:
    """Places, milligrams and "unit" or "mL" of the strengths in a text."""
    found = []
    inside = _IN_VOLUME.search(folded)
    if both := _SALT_THEN_ELEMENTAL.search(folded):  # "400 (241.3 Mg) MG": the salt, then what it holds
        return [(both.start(), _number(both[1]), "unit")]
    for match in _STRENGTH.finditer(folded):
        if match[4] in _NOT_A_STRENGTH:
            return []  # a cream or a patch: no amount each time can be said
        amount = _number(match[1]) * _TO_MG.get(match[2], 0.001)
        if match[4] in ("ml", "milliliter", "milliliters", "l", "liter"):
            volume = _number(match[3] or "1") * (1000.0 if match[4] in ("l", "liter") else 1.0)
            found.append((match.start(), amount / volume, "mL"))
        elif inside and match.end() <= inside.start():
            found.append((match.start(), amount / _number(inside[1]), "mL"))
        else:
            found.append((match.start(), amount, "unit"))
    return [(place, round(amount, 6), per) for place, amount, per in found if amount > 0]


def _strengths(folded: str, named: Sequence[tuple[int, int, _Name]], form: str) -> tuple[Strength, ...]:
    """Strengths by ingredient where it is certain which belongs to which."""
    ingredients = [name for _, _, each in named for name in each.ingredients]
    if (listed := _LIST.search(folded)) and all(len(each.ingredients) == 1 for _, _, each in named):
        numbers = [_number(each) for each in re.split(r"\s*[-/]\s*", listed[1])]
        if len(numbers) == len(ingredients):
            factor = _TO_MG.get(listed[2], 0.001)
            return tuple((name, number * factor, "unit") for name, number in zip(ingredients, numbers, strict=True))
        return ()
    amounts = _amounts(folded)
    if not amounts:
        percent = _PERCENT.search(folded)
        if percent and len(ingredients) == 1 and form in ("injection", "solution", "oral liquid"):
            return ((ingredients[0], float(percent[1]) * 10, "mL"),)
        return ()
    if len(ingredients) == 1:
        after = [each for each in amounts if each[0] >= named[0][1]]
        _, amount, per = (after or amounts)[0]
        return ((ingredients[0], amount, per),)
    if len(named) != len(ingredients):
        return ()
    ends = [end for _, end, _ in named]
    starts = [*(start for start, _, _ in named[1:]), len(folded)]
    own = [
        next((each for each in amounts if end <= each[0] < start), None)
        for end, start in zip(ends, starts, strict=True)
    ]
    if all(each is None for each in own[:-1]) and len(amounts) == len(named):
        own = list(amounts)
    return tuple((name, each[1], each[2]) for name, each in zip(ingredients, own, strict=True) if each is not None)


def _elemental(folded: str, bare_beside_salt: bool) -> tuple[float | None, str]:
    """Elemental magnesium where a text states it as such, and whether it is that of a unit or of a mL."""
    if match := _ELEMENTAL.search(folded):
        return _number(next(each for each in match.groups() if each)), "unit"
    if bare_beside_salt and (match := _BARE_AMOUNT.search(folded)):
        return _number(match[1]), "unit"
    if match := _MILLIMOLES.search(folded):
        volume = _number(match[2] or "1") if match[3] else 1.0
        return round(_number(match[1]) * _MG_PER_MMOL / volume, 4), "mL" if match[3] else "unit"
    return None, "unit"
