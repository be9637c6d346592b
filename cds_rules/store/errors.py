"""What can go wrong with the store, in words that hold neither patient data nor a password.

Floor: edge (store).
"""

from __future__ import annotations

from cds_rules.vocabulary.errors import CdsRulesError


class StoreError(CdsRulesError):
    """The store cannot be used as it is set: mend the setting or the database."""


class StoreUnavailable(StoreError):
    """The database does not answer now, or is locked; the same may work later. Nothing was written."""
