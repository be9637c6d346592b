"""Whose record it is: the one patient of a call, and which resources belong to that patient.

Patients as delivered and the id the caller named flow in; a `Subject` and a yes or no for each reference flow out.
Floor: fhir.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from cds_rules.fhir import wire
from cds_rules.fhir.reader import Reader
from cds_rules.fhir.wire import Misfit, many
from cds_rules.vocabulary.chart import Sex, Source, Subject
from cds_rules.vocabulary.clock import completed_years
from cds_rules.vocabulary.frozen import Frozen

OLDEST_YEARS = 122
"""The longest life on record: an earlier birth is a placeholder, or was moved to hide an age."""
_SEXES: dict[str | None, Sex] = {"male": "male", "female": "female"}


class Delivered(Frozen, frozen=True):
    """A Patient resource, its reference in the chart and the address it was delivered under."""

    patient: wire.Patient
    reference: str
    full_url: str | None


@dataclass(slots=True)
class Owner:
    """The patient of the call. ids: all ids that mean this patient; urls: addresses of delivered Patients and whose they are."""

    chosen: Delivered | None
    ids: frozenset[str]
    urls: dict[str, bool]
    identifiers: frozenset[tuple[str, str]] = frozenset()
    _known: dict[str, bool] = field(default_factory=dict)

    def owns(self, subject: wire.Reference | None, inside: wire.Raw | None = None) -> bool:
        """Whether a resource with this subject belongs to the patient.

        One without any subject was delivered for this patient and does. One that names its patient only by a business
        identifier, or by a Patient inside itself, does unless that contradicts what is known of the patient.
        """
        if subject is None:
            return True
        reference = subject.reference
        if not reference:
            return subject.identifier is None or self._agrees([subject.identifier])
        if reference.startswith("#"):
            return self._owns_contained(reference[1:], inside)
        known = self._known.get(reference)
        if known is None:
            known = self._known[reference] = self._decide(reference)
        return known

    def _decide(self, reference: str) -> bool:
        bare = without_version(reference)
        if bare in self.urls:
            return self.urls[bare]
        return patient_id_of(bare) in self.ids

    def _owns_contained(self, name: str, inside: wire.Raw | None) -> bool:
        for raw in wire.contained(inside):
            if wire.kind_of(raw) == "Patient":
                try:
                    patient = wire.decode(wire.Patient, raw)
                except Misfit:
                    continue
                if patient.id == name:
                    return self._agrees(many(patient.identifier))
        return False

    def _agrees(self, identifiers: Sequence[wire.Identifier]) -> bool:
        named = {(identifier.system or "", identifier.value) for identifier in identifiers if identifier.value}
        return not named or not self.identifiers or not named.isdisjoint(self.identifiers)


def without_version(reference: str) -> str:
    """A reference without its version.

    >>> without_version("Patient/1/_history/2")
    'Patient/1'
    """
    return reference.partition("/_history/")[0]


def patient_id_of(reference: str) -> str | None:
    """The id of the Patient a reference names, None when it names something else.

    >>> patient_id_of("http://ehr/fhir/Patient/7"), patient_id_of("urn:uuid:a-b"), patient_id_of("7"), patient_id_of("Group/7")
    ('7', 'a-b', '7', None)
    """
    if reference.startswith("urn:"):
        return reference.rpartition(":")[2]
    path, _, tail = without_version(reference).rpartition("/")
    return tail if not path or path.rpartition("/")[2] == "Patient" else None


def choose(patients: Sequence[Delivered], patient_id: str | None, references: Iterable[str]) -> Owner:
    """Say who the patient is.

    The caller's id decides, with or without "Patient/" before it. When no delivered Patient has it, no resource speaks of it
    and just one Patient was delivered, that one is meant (seen with HealthChain). Without an id, a single Patient, or
    the single patient all references name, is meant; several are nobody.

    Args:
        references: every reference to a patient among the resources.
    """
    wanted = patient_id_of(patient_id) if patient_id else None
    named = {found for reference in references if (found := patient_id_of(reference))}
    chosen = next((one for one in patients if wanted is not None and _id_of(one) == wanted), None)
    if chosen is None and len(patients) == 1 and (wanted is None or wanted not in named):
        chosen = patients[0]
    ids = {wanted} if wanted else set()
    if chosen and chosen.patient.id:
        ids.add(chosen.patient.id)
    if chosen is None and wanted is None and not patients and len(named) == 1:
        ids = named
    own_url = without_version(chosen.full_url) if chosen and chosen.full_url else None
    if chosen and own_url and (from_url := patient_id_of(own_url)) and not chosen.patient.id:
        ids.add(from_url)
    urls = {without_version(one.full_url): one is chosen for one in patients if one.full_url}
    if own_url:
        urls[own_url] = True
    identifiers = (
        frozenset((found.system or "", found.value) for found in many(chosen.patient.identifier) if found.value)
        if chosen
        else frozenset()
    )
    return Owner(chosen, frozenset(ids), urls, identifiers)


def _id_of(delivered: Delivered) -> str | None:
    """The id of a Patient, else the one its address names: resources of a document may have none."""
    url = delivered.full_url
    return delivered.patient.id or (patient_id_of(without_version(url)) if url else None)


def subject(reader: Reader, owner: Owner) -> Subject | None:
    """What is known of the patient; None when no Patient was delivered."""
    chosen = owner.chosen
    if chosen is None:
        return None
    patient = chosen.patient
    # a death told by its day alone may come later that day: until it is over nobody is silenced
    deceased: datetime | None = reader.end(patient.deceasedDateTime)
    if deceased is None and patient.deceasedBoolean:
        deceased = reader.at
    if reader.is_future(deceased):
        deceased = None
    birth = _birth(reader, chosen.reference, patient.birthDate)
    return Subject(
        chosen.reference,
        birth,
        _SEXES.get(patient.gender),
        deceased,
        Source(chosen.reference, "Patient", patient.birthDate or ""),
    )


def _birth(reader: Reader, reference: str, text: str | None) -> date | None:
    if not text:
        return None
    moment = reader.moment(text[:10])
    if moment is None:
        reader.skip(reference, "malformed", "birthDate is not a date", "patient")
        return None
    if moment > reader.at:
        reader.skip(reference, "future", "birthDate lies in the future", "patient")
        return None
    if completed_years(moment.date(), reader.at) > OLDEST_YEARS:
        reader.skip(reference, "implausible", "birthDate is one that nobody alive has", "patient")
        return None
    return moment.date()
