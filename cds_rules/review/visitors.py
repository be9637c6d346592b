"""Who reads: a visitor of the review pages, what they may do, and which houses' alerts they may see.

A role may do what those before it may. A house is what the store calls whose decisions are whose: issuer and tenant of the
caller, hashed. Nothing flows in but values. Floor: edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["reader", "reviewer", "admin"]
ROLES: tuple[Role, ...] = ("reader", "reviewer", "admin")
"""Each may do what those before it may."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in. houses: the store's houses whose alerts may be seen; None: all of them.

    >>> Visitor("s", "Ada", "reviewer", None).may("reader"), Visitor("s", "Ada", "reader", None).may("reviewer")
    (True, False)
    """

    subject: str
    name: str
    role: Role
    houses: frozenset[str] | None

    def may(self, role: Role) -> bool:
        """Whether what a role may do is open to them."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def sees(self, house: str) -> bool:
        """Whether a house's alerts may be shown to them."""
        return self.houses is None or house in self.houses
