"""Writes fhir/shape_table.py from the classes of fhir.resources: `python -m tests.fhir.shape_table`."""

from __future__ import annotations

from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from fhir.resources.R4B import get_fhir_model_class

import cds_rules.fhir
from cds_rules.fhir.shapes import PRIMITIVES
from cds_rules.fhir.validation import CITED

PLACE = Path(cds_rules.fhir.__file__).with_name("shape_table.py")
COMMON = frozenset(
    (
        "Address", "Age", "Annotation", "CodeableConcept", "Coding", "ContactPoint", "Dosage", "DosageDoseAndRate",
        "Duration", "Extension", "HumanName", "Identifier", "Meta", "Narrative", "Period", "Quantity", "Range", "Ratio",
        "Reference", "Timing", "TimingRepeat",
    )
)  # fmt: skip
"""Elements that have a shape, beside those of a resource itself; the many rare values of an Extension have none."""

HEAD = '''"""The fields of the shapes of fhir/shapes.py; written by `python -m tests.fhir.shape_table`, not by hand.

Type -> words: `field:Type`, `!` behind the field where it is required, `*` where it is a list; `?a|b` a choice of at most
one of these fields, `!a|b` of exactly one.
"""
'''


def written() -> str:
    """The module as the installed library has it."""
    elements: dict[str, str] = {}
    resources = {kind: words(get_fhir_model_class(kind), kind, elements) for kind in CITED}
    return f"{HEAD}\n{table('ELEMENTS', elements)}{table('RESOURCES', resources)}"


def table(name: str, shapes: dict[str, str]) -> str:
    lines = "".join(f'    "{kind}": "{shape}",\n' for kind, shape in sorted(shapes.items()))
    return f"{name} = {{\n{lines}}}  # fmt: skip\n"


def words(model: Any, resource: str, elements: dict[str, str]) -> str:
    """The words of one class; elements it holds are added to `elements`."""
    required = {name for name, _ in model.get_required_fields(None)}
    found = {}
    for field in model.model_fields.values():
        held, listed = form(field.annotation, resource, elements)
        if held and not field.alias.startswith("_"):
            marks = ("!" if field.is_required() or field.alias in required else "") + ("*" if listed else "")
            found[field.alias] = f"{field.alias}{marks}:{held}"
    choices = [
        ("!" if model.model_fields[names[0]].json_schema_extra["one_of_many_required"] else "?")
        + "|".join(name for name in names if name in found)
        for names in model.get_one_of_many_fields(None).values()
    ]
    return " ".join([*found.values(), *(choice for choice in choices if choice != "?")])


def form(annotation: Any, resource: str, elements: dict[str, str]) -> tuple[str, bool]:
    """The type a field holds, "" where full validation must look at it; and whether it is a list of them."""
    if get_origin(annotation) in (Union, UnionType):
        several = [each for each in get_args(annotation) if each is not NoneType]
        return form(several[0], resource, elements) if len(several) == 1 else ("", False)
    if get_origin(annotation) is list:
        return form(get_args(annotation)[0], resource, elements)[0], True
    if get_origin(annotation) is Annotated:
        name = type(annotation.__metadata__[-1]).__name__
        return (name if name in PRIMITIVES else ""), False
    if annotation is bool:
        return "Boolean", False
    if not hasattr(annotation, "get_model_klass"):
        return "", False
    model = annotation.get_model_klass()
    name = model.__name__
    if name == "Resource":
        return name, False
    if name not in COMMON and not name.startswith(resource):
        return "", False
    if name not in elements:
        elements[name] = ""  # named before it is written: an Extension holds Extensions
        elements[name] = words(model, resource, elements)
    return name, False


if __name__ == "__main__":
    PLACE.write_text(written(), encoding="utf-8")
