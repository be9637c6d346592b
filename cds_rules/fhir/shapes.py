"""Shapes that full validation certainly accepts, so that an ordinary resource need not wait for it.

Full validation takes a tenth of a millisecond a resource and more, and its library most of a second to import. A shape
names the fields of a type with the narrow forms of values nobody doubts, as the classes of that library declare them
(fhir/shape_table.py is written from them). What fits is valid; what does not is left to full validation, which alone
refuses (test_what_fits_a_shape_is_valid).
Bytes flow in, a yes or "do not know" flows out. They are made by the import of this module, which is left to the first
who asks: it is once, whatever threads ask at once. Two that made them would fill in each other's types, and msgspec crashes
on half of one. Floor: fhir.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from cds_rules.fhir.shape_table import ELEMENTS, RESOURCES

_DAY = r"[12]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
_TIME = r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-3]):[0-5]\d)"
PRIMITIVES: dict[str, Any] = {
    "Boolean": bool,
    "Canonical": Annotated[str, Meta(pattern=r"\A[!-~]+\Z")],
    "Code": Annotated[str, Meta(pattern=r"\A[!-~]+(?: [!-~]+)*\Z")],
    "Date": Annotated[str, Meta(pattern=rf"\A{_DAY}\Z")],
    "DateTime": Annotated[str, Meta(pattern=rf"\A{_DAY}(?:{_TIME})?\Z")],
    "Decimal": float,
    "Id": Annotated[str, Meta(pattern=r"\A[A-Za-z0-9.-]{1,64}\Z")],
    "Instant": Annotated[str, Meta(pattern=rf"\A{_DAY}{_TIME}\Z")],
    "Integer": Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)],
    "Markdown": Annotated[str, Meta(pattern=r"[!-~]")],
    "PositiveInt": Annotated[int, Meta(ge=1, le=2**31 - 1)],
    "String": Annotated[str, Meta(pattern=r"[!-~]")],
    "UnsignedInt": Annotated[int, Meta(ge=0, le=2**31 - 1)],
    "Uri": Annotated[str, Meta(pattern=r"\A[!-~]+\Z")],
    "Xhtml": Annotated[str, Meta(pattern=r"\A<div")],
}
"""Primitive type -> the values that are valid beyond doubt. A field of another type is in no shape."""


def fits(kind: str, raw: bytes) -> bool:
    """Whether a resource of a type has a shape that is valid beyond doubt; False: full validation decides."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        return False
    try:
        decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _struct(name: str, words: str, tag: str | None = None) -> Any:
    """The struct of a type from its words in the table."""
    fields: list[Any] = []
    choices: list[tuple[bool, list[str]]] = []
    for word in words.split():
        if word[0] in "?!":
            choices.append((word[0] == "!", word[1:].split("|") if word[1:] else []))
            continue
        field, _, form = word.partition(":")
        held = f"list[{form}]" if "*" in field else form
        plain = field.strip("!*")
        fields.append((plain, held) if "!" in field else (plain, f"{held} | msgspec.UnsetType", UNSET))
    return msgspec.defstruct(
        name,
        fields,
        module=__name__,
        namespace={"__post_init__": _choosing(choices)} if choices else None,
        tag_field=tag and "resourceType",
        tag=tag,
        kw_only=True,
        forbid_unknown_fields=True,
        gc=False,
    )


def _choosing(choices: list[tuple[bool, list[str]]]) -> Callable[[Any], None]:
    """A check that of each choice one field is there, or none where it is not required."""

    def check(shape: Any) -> None:
        for required, names in choices:
            count = sum(getattr(shape, name) is not UNSET for name in names)
            if count > 1 or (required and not count):
                raise ValueError

    return check


def _decoders() -> dict[str, msgspec.json.Decoder[Any]]:
    elements = {name: _struct(name, words) for name, words in ELEMENTS.items()}
    resources = {name: _struct(name, words, name) for name, words in RESOURCES.items()}
    # msgspec looks here for the types that fields name: an Extension holds Extensions
    globals().update(PRIMITIVES, **elements, **resources, Resource=reduce(or_, resources.values()))
    return {name: msgspec.json.Decoder(struct) for name, struct in resources.items()}


_DECODERS = _decoders()
