"""Directions written as text ("1 tab po bid"), read as far as they are certain, else not at all.

A small grammar of separate findings: a dose, a frequency, as-needed, once, a rate, a ceiling. Each is looked for by itself;
two findings of one kind that differ leave that part unknown, and words that announce a change of dose ("then", "taper")
or that it is not to be taken leave everything but as-needed unknown (clinical specification 9.16). Text flows in, `Dosage`
flows out.
Floor: fhir.
"""

from __future__ import annotations

import re
from functools import lru_cache

from cds_rules.vocabulary.chart import Amount, Dosage

_WORDS = {
    "half": 0.5, "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "twelve": 12,
}  # fmt: skip
_WORD = "|".join(word for word in _WORDS if word not in ("a", "an"))
_NUMBER = rf"(?:\d+\s+\d/\d|\d+/\d+|\d*\.\d+|\d{{1,6}}(?:\.\d+)?|½|{_WORD})"
_SPAN = rf"(?P<low>{_NUMBER})(?:\s*(?:-|–|to|or)\s*(?P<high>{_NUMBER}))?"

_SOLID = (
    r"tab(?:let)?s?|tabs?\.|tbl|cap(?:sule)?s?|caplets?|gelcaps?|softgels?|pills?|lozenges?|gumm(?:y|ies)|chew(?:able)?s?|packets?|sachets?"
    r"|supp(?:ository|ositories)?|pkts?|loz|dose\(s\)|puffs?|tablette[n]?|tabl?\.?|kapseln?|comprim[ie](?:dos?|és?)|stück"
)
UNITS: dict[str, tuple[str, float]] = {
    "mg": ("mg", 1), "milligram": ("mg", 1), "milligrams": ("mg", 1), "g": ("g", 1), "gm": ("g", 1), "gms": ("g", 1), "gram": ("g", 1),
    "grams": ("g", 1), "mcg": ("mcg", 1), "ug": ("mcg", 1), "µg": ("mcg", 1), "microgram": ("mcg", 1), "micrograms": ("mcg", 1),
    "ml": ("mL", 1), "mls": ("mL", 1), "cc": ("mL", 1), "milliliter": ("mL", 1), "milliliters": ("mL", 1), "l": ("mL", 1000),
    "tsp": ("mL", 5), "teaspoon": ("mL", 5), "teaspoons": ("mL", 5), "teaspoonful": ("mL", 5), "teaspoonfuls": ("mL", 5),
    "tbsp": ("mL", 15), "tablespoon": ("mL", 15), "tablespoons": ("mL", 15), "tablespoonful": ("mL", 15), "tablespoonfuls": ("mL", 15),
    "oz": ("mL", 29.5735), "fl oz": ("mL", 29.5735), "meq": ("mEq", 1), "mmol": ("mmol", 1), "mol": ("mmol", 1000),
}  # fmt: skip
"""Unit words of dosing, lower case, with the unit of `Amount` and the factor to it; solid forms are "unit"."""
_MEASURES = "|".join(sorted((word for word in UNITS if word != "l"), key=len, reverse=True))

_SOLID_DOSE = re.compile(rf"(?<![\d.,/]){_SPAN}\s*(?:\((?P<again>\d+)\)\s*)?(?:{_SOLID})(?![a-z])(?!\s*(?:per|/)\s*\d)")
_MEASURED_DOSE = re.compile(
    rf"(?<![\d.,/a-z]){_SPAN}\s*(?P<unit>{_MEASURES})(?![a-z/])"
    r"(?!\s*(?:/|per|je|pro)\s*(?:\d|ml|tab|cap|kg|h|min|day|m2|m²|m\^|quadrat|square))(?!-)"
)
_BARE_DOSE = re.compile(
    rf"\b(?:take|give|chew|swallow|dissolve|use)\s+{_SPAN}(?=\s+(?:by\s+mouth|po|p\.o\.?|orally|every|each|once|twice|daily|at|in|with|b\.?i\.?d|t\.?i\.?d|q)\b)"
    rf"|^{_SPAN.replace('low', 'low2').replace('high', 'high2')}\s+(?:po|p\.o\.?|by\s+mouth|orally|daily|b\.?i\.?d|t\.?i\.?d|q\.?i\.?d|q\.?d|q\.?h\.?s|q\.?[ap]\.?m|q\d{{1,2}}h)\b"
)
_RATE = re.compile(
    rf"(?<![\d.,/]){_SPAN}\s*(?P<unit>mg|g|gm|grams?|mcg|ml|meq|mmol)\s*(?:/|per\s+|an\s+)\s*(?P<per>h|hr|hrs|hour|min|minute)\b"
)
_MAXIMUM = re.compile(
    rf"(?:\bmax(?:imum|\.)?(?:\s+(?:of|dose|daily(?:\s+dose)?))*|\bnot?\s+(?:to\s+)?(?:exceed|more\s+than)|\bdo\s+not\s+(?:exceed|take\s+more\s+than)|\bup\s+to)\s*:?\s*"
    rf"{_SPAN}\s*(?P<unit>{_MEASURES}|{_SOLID})\s*(?:in|per|/|a|every|each|within)?\s*(?:a\s+|one\s+)?(?P<per>24\s*(?:h|hr|hrs|hours)|days?|daily)\b"
)
_PRN = re.compile(
    r"\b(?:prn|p\.r\.n\.?|(?:as|when|if|only)\s+(?:needed|required|necessary)|bei bedarf|si besoin)(?![a-z])"
)
_ONCE = re.compile(
    r"\b(?<!at )(?:one[- ]time|once\s+only|single\s+dose|one\s+dose|stat|now|x\s*1(?:\s+dose)?|once)\b(?!\s*(?:/|,?\s*(?:a|per|each|every|in\s+a|q)\s*(?:24|day|week|month|morning|evening|night)|daily|weekly|monthly|nightly|every|at\s+bed|in\s+the|before\s+bed))"
)
_CHANGE = re.compile(
    r"\b(?:then|dann|danach|anschlie(?:ß|ss)end|taper\w*|titrat\w*|alternat\w*|increas\w*|decreas\w*|reduc\w*|wean\w*|sliding|except|followed\s+by|loading|on\s+day|on\s+(?:mon|tue|wed|thu|fri|sat|sun)|day\s+\d|days?\s+\d+\s*-\s*\d+|depending|adjust\w*|per\s+protocol|(?<!\d )(?:(?:or|unless)\s+(?:otherwise\s+)?)(?:as\s+)?directed|mornings?\s+and\s+\d)\b"
)
_NOT_TAKEN = re.compile(
    r"\bhold\b(?!\s+(?:for|if|when|under|in\s+(?:the\s+)?mouth|parameters))|\bon\s+hold\b"
    r"|\bdo\s+not\s+(?:take|give|use)\b(?!\s+(?:more|over|with|within|if|on\s+an|at\s+the\s+same|before|after|together|any\s+other|other|additional|longer))"
    r"|\b(?:not\s+taking|discontinue\w*|stop(?:ped)?\s+taking|stop(?:ped)?\s*$|suspend\w*|paus(?:e|ed|iert)|nicht\s+(?:mehr\s+)?(?:ein)?nehmen)\b"
)
"""Words by which a sig takes back the order it stands in; "hold for pulse below 60" does not."""
_DISPENSED = re.compile(
    rf"\bdisp(?:ense)?\b\W{{0,3}}\d.*$|\b\d+\s+refill.*$|\(=?\s*{_NUMBER}\s*(?:{_MEASURES})(?:\s+total)?\s*\)"
)
"""What is handed out, and the same amount once more in parentheses: no dose of its own."""
_AND_A_HALF = re.compile(r"\b(one|two|three|four|\d{1,2})\s+and\s+(?:a|one|1)[\s-]?(?:half|/2)\b")
_HALF_A = re.compile(r"\b(?:one[\s-])?half\s+(?:of\s+)?(?:an?|one)\b|\bone[\s-]half\b")
_EYE = re.compile(r"\b(?:gtts?|drops?|eyes?)\b")
_SCHEME = re.compile(r"(?<![\d/.-])(\d|½)\s?-\s?(\d|½)\s?-\s?(\d|½)(?:\s?-\s?(\d|½))?(?![\d/.-])")

_DAY = r"(?:\s*(?:a|per|each|every|/)?\s*(?:day|d)\b|\s*daily)"
_COUNT = r"(?P<n>\d{1,2}|one|two|three|four|five|six|once|twice)"
_EXACT = (
    (re.compile(r"\b(?:b\.?i\.?d\.?|q\.?12\.?h|twice[- ]daily|twice\s+(?:a|per|each|every)\s+day)(?![a-z])"), 2.0),
    (re.compile(r"\b(?:t\.?i\.?d\.?|thrice\s+daily)(?![a-z])"), 3.0),
    (re.compile(r"\b(?:q\.?i\.?d\.?)(?![a-z])"), 4.0),
    (
        re.compile(
            r"\b(?:every\s+other\s+day|q\.?o\.?d\.?|every\s+(?:2|two|second)\s+days?|alternate\s+days?)(?![a-z])"
        ),
        0.5,
    ),
    (
        re.compile(
            r"\b(?:once\s+weekly|once\s+(?:a|per|each|every)\s+week|every\s+week|each\s+week|weekly|q\s*week)(?![a-z])"
        ),
        1 / 7,
    ),
    (re.compile(r"\b(?:once\s+monthly|once\s+(?:a|per|each|every)\s+month|every\s+month|monthly)(?![a-z])"), 1 / 30),
)
_TIMES_A_DAY = re.compile(rf"\b{_COUNT}\s*(?:x|times?|doses?)?\s*(?:-\s*(?P<m>\d)\s*(?:x|times)\s*)?(?:{_DAY})")
_TIMES_A_WEEK = re.compile(rf"\b{_COUNT}\s*(?:x|times?)?\s*(?:(?:a|per|each|every|/)\s*week\b|weekly)")
_HOURS = r"\d{1,2}|two|three|four|six|eight|twelve"
_EVERY_HOURS = re.compile(
    rf"\b(?:q|every|alle)\s*\.?\s*(?P<low>{_HOURS})(?:\s*(?:-|–|to|or)\s*(?:{_HOURS}))?\s*-?\s*(?:h|hr|hrs|hours?|stunden)(?![a-z])"
)
_DAYS_OF_THE_WEEK = re.compile(r"\bm-?w-?f\b")
_GERMAN_TIMES = re.compile(
    r"(?<![\d.,])(?:\d\s*(?:-|–|bis)\s*)?(?P<n>\d)\s*(?:x|×|mal)\s*(?:(?:/|pro|am)\s*tag|tägl(?:ich|\.)?|taegl(?:ich|\.)?)"
)
_DOSES = re.compile(rf"\b{_COUNT}\s+doses\b")
_EVERY_DAYS = re.compile(r"\bevery\s+(?P<n>\d{1,2})\s+(?P<unit>days|weeks|months)\b")
_MOST_DOSES = re.compile(
    rf"\b(?:max(?:imum|\.)?(?:\s+of)?|(?:no|not)\s+more\s+than|up\s+to)\s*:?\s*{_COUNT}\s*(?P<doses>doses?|times?|x)?\s*(?:in|per|/|a|every|each)\s*(?:24\s*(?:h|hr|hrs|hours)|day|d)\b"
)
_PART = re.compile(r"\s*(?:,|;|&|\+|\band\b)\s*")
_DAILY = re.compile(
    r"\b(?:daily|q\.?d\.?|every\s+day|each\s+day|(?:per|a)\s+day|q24h|o\.?d\.?|täglich|once\s+daily|qday)(?![a-z])"
)
_MOMENTS = (
    re.compile(
        r"\b(?:q\.?a\.?m\.?|(?:in\s+the|every|each)\s+mornings?|mornings?|with\s+breakfast|before\s+breakfast|after\s+breakfast|morgens)(?![a-z])"
    ),
    re.compile(r"\b(?:at\s+noon|midday|(?:with|before|after)\s+lunch|mittags)(?![a-z])"),
    re.compile(
        r"\b(?:q\.?p\.?m\.?|(?:in\s+the|every|each)\s+(?:evening|afternoon)s?|(?:with|before|after)\s+(?:dinner|supper|(?:the\s+)?evening\s+meal)|abends)(?![a-z])"
    ),
    re.compile(
        r"\b(?:q\.?h\.?s\.?|h\.?s\.?|(?:at|before|every|each)\s+(?:bedtime|bed)|nightly|(?:at|every|each)\s+nights?|zur\s+nacht)(?![a-z])"
    ),
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_LONGEST = 400


@lru_cache(maxsize=4096)
def parse_sig(text: str) -> Dosage:
    """Read directions as far as they are certain; what is not certain is None.

    >>> parse_sig("1 tab po bid").dose, parse_sig("1 tab po bid").per_day
    (Amount(value=1.0, unit='unit'), 2.0)
    >>> parse_sig("400 mg twice daily").dose
    Amount(value=400.0, unit='mg')
    >>> parse_sig("30 mL at bedtime as needed").prn
    True
    >>> parse_sig("1 tab daily for 3 days then 2 tabs daily").per_day is None
    True
    """
    sig = _THOUSANDS.sub("", " ".join(text.lower().split()))
    prn = _PRN.search(sig) is not None
    if not sig or len(sig) > _LONGEST or _CHANGE.search(sig) or _NOT_TAKEN.search(sig):
        return Dosage(prn=prn, text=text)
    sig = _HALF_A.sub("half", _AND_A_HALF.sub(_and_a_half, sig))
    sig = _DISPENSED.sub(" ", sig)
    maximum = _maximum(sig)
    body, most = _MOST_DOSES.subn(" ", _MAXIMUM.sub(" ", sig))
    rate = _rate(body)
    body = _RATE.sub(" ", body)
    dose = _dose(body)
    per_day = _per_day(body)
    if parts := _parts(body):
        dose = Amount(sum(one.value for one in parts) / len(parts), parts[0].unit) if _alike(parts) else None
        per_day = float(len(parts))
    if most == 1 and maximum is None and dose is not None:
        maximum = _most_doses(sig, dose)
    if per_day is None and (scheme := _SCHEME.search(body)) is not None:
        dose, per_day = _from_scheme(scheme, dose)
    one_time = per_day is None and not prn and _ONCE.search(body) is not None
    if one_time and (count := _DOSES.search(body)) is not None:
        per_day = _count(count["n"])
    return Dosage(dose, per_day, prn, one_time, rate, maximum, text)


def _and_a_half(match: re.Match[str]) -> str:
    return str((_value(match[1]) or 0.0) + 0.5)


def _parts(sig: str) -> list[Amount]:
    """The doses of a day told in parts ("1 tab in the morning and 2 at bedtime"), none where it is not told so.

    Every part has a dose of its own and one moment of the day; anything else is not certain.
    """
    parts = [part for part in _PART.split(sig) if part.strip()]
    doses = [dose for part in parts if (dose := _dose(part)) is not None]
    moments = [[place for place, moment in enumerate(_MOMENTS) if moment.search(part)] for part in parts]
    told = len(parts) > 1 and len(doses) == len(parts) and all(len(each) == 1 for each in moments)
    return doses if told and len({each[0] for each in moments}) == len(parts) else []


def _alike(doses: list[Amount]) -> bool:
    return len({dose.unit for dose in doses}) == 1


def _most_doses(sig: str, dose: Amount) -> Amount | None:
    """A ceiling told as a number of doses; "max 4/day" says doses only where a dose is no count of tablets, or is one tablet."""
    match = _MOST_DOSES.search(sig)
    number = _count(match["n"]) if match else None
    if match is None or not number or (not match["doses"] and dose.unit == "unit" and dose.value != 1):
        return None
    return Amount(number * dose.value, dose.unit)


def _value(text: str | None) -> float | None:
    if text is None:
        return None
    if text in _WORDS:
        return float(_WORDS[text])
    if text == "½":
        return 0.5
    total = 0.0
    for part in text.split():
        top, _, bottom = part.partition("/")
        if bottom and float(bottom) == 0:
            return None
        total += float(top) / float(bottom) if bottom else float(part)
    return total


def _upper(match: re.Match[str], suffix: str = "") -> float | None:
    """The upper end of a span; a span that runs downwards says nothing certain."""
    low, high = _value(match["low" + suffix]), _value(match["high" + suffix])
    if high is None or low is None:
        return low
    return high if high >= low else None


def _dose(sig: str) -> Amount | None:
    """The amount each time: tablets and the like before weights, which may be the strength of one."""
    solid = {_upper(match) for match in _SOLID_DOSE.finditer(sig)}
    bare = {_upper(match) if match["low"] else _upper(match, "2") for match in _BARE_DOSE.finditer(sig)}
    if solid or bare:
        return _only(bare if bare and not solid else solid | bare, "unit")
    measured = {
        (round(value * factor, 6), unit)
        for match in _MEASURED_DOSE.finditer(sig)
        for unit, factor in (UNITS[match["unit"]],)
        if (value := _upper(match)) is not None
    }
    if len(measured) != 1:
        return None
    value, unit = measured.pop()
    return Amount(value, unit) if value > 0 else None


def _only(values: set[float | None], unit: str) -> Amount | None:
    if len(values) != 1:
        return None
    value = values.pop()
    return Amount(value, unit) if value else None


def _per_day(sig: str) -> float | None:
    """Times a day; None when nothing, or more than one thing, is said."""
    found = {value for pattern, value in _EXACT if pattern.search(sig)}
    for match in _TIMES_A_WEEK.finditer(sig):
        if (count := _count(match["n"])) is not None:
            found.add(count / 7)
    for match in _EVERY_HOURS.finditer(sig):
        if hours := _value(match["low"]):
            found.add(24 / hours)
    for match in _EVERY_DAYS.finditer(sig):
        if days := float(match["n"]) * {"days": 1, "weeks": 7, "months": 30}[match["unit"]]:
            found.add(1 / days)
    counted = {
        max(count, float(match["m"] or 0))
        for match in _TIMES_A_DAY.finditer(sig)
        if (count := _count(match["n"])) is not None
    }
    found |= counted
    for match in _GERMAN_TIMES.finditer(sig):
        found.add(float(match["n"]))
    if _DAYS_OF_THE_WEEK.search(sig):
        found.add(3 / 7)
    moments = float(sum(pattern.search(sig) is not None for pattern in _MOMENTS))
    if not found and moments:
        found.add(moments)
    if not found and (daily := _DAILY.search(sig)) is not None and not (daily[0] == "od" and _EYE.search(sig)):
        found.add(1.0)
    if len(found) != 1:
        return None
    value = found.pop()
    return value if moments <= max(value, 1.0) else None


def _count(word: str) -> float | None:
    return {"once": 1.0, "twice": 2.0}.get(word) or _value(word)


def _rate(sig: str) -> Amount | None:
    found = set()
    for match in _RATE.finditer(sig):
        unit, factor = UNITS[match["unit"]]
        value = _upper(match)
        if value is not None:
            found.add((value * factor * (60 if match["per"].startswith("m") else 1), unit))
    if len(found) != 1:
        return None
    value, unit = found.pop()
    return Amount(value, unit)


def _maximum(sig: str) -> Amount | None:
    found = set()
    for match in _MAXIMUM.finditer(sig):
        unit, factor = UNITS.get(match["unit"], ("unit", 1.0))
        value = _upper(match)
        if value is not None:
            found.add((value * factor, unit))
    if len(found) != 1:
        return None
    value, unit = found.pop()
    return Amount(value, unit)


def _from_scheme(scheme: re.Match[str], dose: Amount | None) -> tuple[Amount | None, float | None]:
    """Morning-noon-evening-night counts ("1-0-1"), as written in German-speaking countries."""
    counts = [_value(group) or 0.0 for group in scheme.groups() if group is not None]
    times = sum(count > 0 for count in counts)
    if not times:
        return dose, None
    if dose is not None and dose.unit != "unit":
        return None, None
    return Amount(sum(counts) / times, "unit"), float(times)
