"""The patient: age, sex, pregnancy, weeks after delivery, comfort care, torsades.

Flows in: a `Record`. Flows out: `Patient`, None where the record cannot say. Floor: derive.
"""

from __future__ import annotations

from cds_rules.derive.record import Record, problem_moment, unique
from cds_rules.vocabulary.chart import Sex, Source
from cds_rules.vocabulary.clock import completed_years
from cds_rules.vocabulary.frozen import Frozen

POSTPARTUM_DAYS = 42
TORSADES_DAYS = 7


class Patient(Frozen, frozen=True):
    """Who the patient is; a flag is None when the part of the record that says so was not delivered."""

    age_years: int | None
    sex: Sex | None
    pregnant: bool | None
    postpartum: bool | None
    comfort_care: bool | None
    torsades: bool | None
    sources: tuple[Source, ...] = ()

    @property
    def adult(self) -> bool:
        """Aged 18 or over, as far as known."""
        return self.age_years is not None and self.age_years >= 18


def patient(record: Record) -> Patient:
    """Describe the patient of a record."""
    subject = record.chart.subject
    births = [event for event in record.events.get("delivery", ()) if event.at is not None]
    delivered = births[0] if births else None
    pregnancies = [*record.problems.get("pregnant", ()), *record.problems.get("pregnancy", ())]
    pregnancies = [
        each
        for each in pregnancies
        if delivered is None
        or ((moment := problem_moment(each)) is not None and delivered.at is not None and moment > delivered.at)
    ]
    puerperium = [
        each for each in record.problems.get("postpartum", ()) if record.within(problem_moment(each), POSTPARTUM_DAYS)
    ]
    after_birth = delivered is not None and record.within(delivered.at, POSTPARTUM_DAYS)
    comfort = record.problems.get("comfort-care", [])
    torsades = [
        each
        for each in record.problems.get("torsades", ())
        if record.counts(each) and record.within(problem_moment(each), TORSADES_DAYS)
    ]
    return Patient(
        age_years=completed_years(subject.birth_date, record.at) if subject and subject.birth_date else None,
        sex=subject.sex if subject else None,
        pregnant=record.certain(bool(pregnancies), "conditions"),
        postpartum=record.certain(after_birth or bool(puerperium), "conditions", "procedures"),
        comfort_care=record.certain(bool(comfort), "conditions"),
        torsades=record.certain(bool(torsades), "conditions"),
        sources=unique(
            [
                subject.source if subject else None,
                *(each.source for each in (*pregnancies, *puerperium, *comfort, *torsades)),
                delivered.source if delivered and after_birth else None,
            ]
        ),
    )
