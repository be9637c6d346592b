"""FHIR resources in, a `Chart` out, with a reason for everything that was not used.

`read_chart` is the whole surface; `validation` is the second gate for what a card cites.
Floor: fhir.
"""

from cds_rules.fhir.bundle import Document
from cds_rules.fhir.read import Reading, read_chart

__all__ = ["Document", "Reading", "read_chart"]
