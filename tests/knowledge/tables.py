"""The pack's tables, read once for all tests of terminology."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from cds_rules.knowledge.pack import Rows, read_tables
from cds_rules.knowledge.terminology import Terminology

PACK = Path(__file__).parents[2] / "cds_rules" / "packs" / "magnesium_cramps"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
NDC = "http://hl7.org/fhir/sid/ndc"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
UCUM = "http://unitsofmeasure.org"


@lru_cache(maxsize=1)
def tables() -> dict[str, Rows]:
    """Every table of the pack."""
    return read_tables(PACK)


@lru_cache(maxsize=1)
def terminology() -> Terminology:
    """The pack's terminology."""
    return Terminology.from_tables(tables())
