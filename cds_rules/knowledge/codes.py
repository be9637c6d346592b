"""Code systems by one short name each, and codes looked up exactly or, for ICD-10 and ATC, by prefix.

Flows in: system URIs as charted and rows of value sets. Flows out: meanings. Floor: knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

M = TypeVar("M")

RXNORM, ATC, NDC, SNOMED, LOINC, UCUM = "rxnorm", "atc", "ndc", "snomed", "loinc", "ucum"
ICD10, ICD10_CM, EDQM = "icd-10", "icd-10-cm", "edqm"

_SYSTEMS = {
    "www.nlm.nih.gov/research/umls/rxnorm": RXNORM,
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "www.whocc.no/atc": ATC,
    "fhir.de/codesystem/bfarm/atc": ATC,
    "fhir.de/codesystem/dimdi/atc": ATC,
    "urn:oid:2.16.840.1.113883.6.73": ATC,
    "hl7.org/fhir/sid/ndc": NDC,
    "urn:oid:2.16.840.1.113883.6.69": NDC,
    "snomed.info/sct": SNOMED,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "loinc.org": LOINC,
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "unitsofmeasure.org": UCUM,
    "urn:oid:2.16.840.1.113883.6.8": UCUM,
    "hl7.org/fhir/sid/icd-10-cm": ICD10_CM,
    "urn:oid:2.16.840.1.113883.6.90": ICD10_CM,
    "hl7.org/fhir/sid/icd-10": ICD10,
    "urn:oid:2.16.840.1.113883.6.3": ICD10,
    "fhir.de/codesystem/bfarm/icd-10-gm": ICD10,
    "fhir.de/codesystem/dimdi/icd-10-gm": ICD10,
    "hl7.org/fhir/sid/icd-10-gm": ICD10,
    "hl7.org/fhir/sid/icd-10-au": ICD10,
    "hl7.org/fhir/sid/icd-10-uk": ICD10,
    "hl7.org/fhir/sid/icd-10-ca": ICD10,
    "standardterms.edqm.eu": EDQM,
}
_MARKS = (("diagnosis-icd10", ICD10_CM), ("medication-ndc", NDC))
"""Ends of the URIs of the public MIMIC exports."""


@lru_cache(maxsize=512)
def system_name(uri: str) -> str:
    """The short name of a code system, "" for one that is not read.

    >>> system_name("http://fhir.de/CodeSystem/bfarm/icd-10-gm"), system_name("http://snomed.info/sct/900000000000207008")
    ('icd-10', 'snomed')
    """
    plain = uri.strip().rstrip("/").casefold().removeprefix("https://").removeprefix("http://").split("|")[0]
    if name := _SYSTEMS.get(plain):
        return name
    if plain.startswith("snomed.info/sct/"):
        return SNOMED
    return next((name for mark, name in _MARKS if plain.endswith(mark)), "")


class Codes(Generic[M]):
    """Meanings of codes. ICD-10 and ATC rows hold for every code below them; a key "!k" takes k away again.

    Rows of ICD-10 hold for all its national editions, rows of ICD-10-CM for that edition alone (clinical specification 9.12).
    """

    def __init__(
        self, rows: Iterable[tuple[str, str, M]], against: Iterable[tuple[str, str, str]], key: Callable[[M], str]
    ) -> None:
        """Take (system URI, code, meaning) and (system URI, code, key that does not hold)."""
        self._key = key
        self._known: dict[tuple[str, str], list[M]] = {}
        self._against: dict[tuple[str, str], set[str]] = {}
        for uri, code, meaning in rows:
            several = self._known.setdefault(_place(uri, code), [])
            if meaning not in several:
                several.append(meaning)
        for uri, code, not_this in against:
            self._against.setdefault(_place(uri, code), set()).add(not_this)

    def of(self, uri: str, code: str) -> Sequence[M]:
        """What a code means; () for a code that is not known."""
        name, plain = _place(uri, code)
        if name in (ICD10, ICD10_CM, ATC):
            return self._below(name, plain)
        return self._known.get((name, plain), ())

    def _below(self, name: str, code: str) -> Sequence[M]:
        scopes = (ICD10, ICD10_CM) if name == ICD10_CM else (name,)
        meant: list[M] = []
        taken: set[str] = set()
        for size in range(1, len(code) + 1):
            for scope in scopes:
                place = (scope, code[:size])
                meant += (each for each in self._known.get(place, ()) if each not in meant)
                taken |= self._against.get(place, set())
        return [each for each in meant if self._key(each) not in taken] if taken else meant


@lru_cache(maxsize=65536)
def _place(uri: str, code: str) -> tuple[str, str]:
    name = system_name(uri)
    plain = code.strip()
    if name in (ICD10, ICD10_CM, ATC):
        plain = plain.replace(".", "").replace("-", "").rstrip("+*!#").upper()
    elif name == NDC:
        plain = ndc11(plain)
    return name, plain


def ndc11(code: str) -> str:
    """An NDC as eleven digits (5-4-2), padded where its hyphens say how.

    >>> ndc11("0517-2602-25"), ndc11("00517260225"), ndc11("50268-510-15")
    ('00517260225', '00517260225', '50268051015')
    """
    parts = code.split("-")
    if len(parts) == 3:
        return parts[0].zfill(5) + parts[1].zfill(4) + parts[2].zfill(2)
    return "".join(parts)
