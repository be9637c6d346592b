"""The base of what an evaluation makes by the hundred: frozen records whose making costs next to nothing.

A frozen dataclass of a dozen fields takes fifteen times as long to make as a struct of the same fields; apart from that they
are alike: annotated fields, defaults, equality and hash by value, patterns of `match`. `replace` is that of dataclasses.
The door of the pure floors to msgspec's structs; what comes from and goes to JSON has its own doors.
Floor: vocabulary.
"""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import replace


class Frozen(Struct, frozen=True):
    """A frozen record. Each subclass says `frozen=True` again, for those who read it and for type checkers."""


__all__ = ["Frozen", "field", "replace"]
