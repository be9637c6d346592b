"""What a clinician would call the thing that a rule asks for and the record does not say.

Flows in: a kind of fact and one of its fields. Flows out: words for a card. Floor: vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping

from cds_rules.vocabulary.wording import Said, said, word

_START = said("when the medication was started")
_STOP = said("when the medication was stopped")
_FIELDS: Mapping[str, Said] = {
    "patient.age_years": said("age"),
    "patient.sex": said("sex"),
    "patient.pregnant": said("whether the patient is pregnant"),
    "patient.postpartum": said("whether the patient has given birth within 42 days"),
    "patient.comfort_care": said("whether comfort care has been agreed"),
    "patient.torsades": said("whether there were torsades within 7 days"),
    "kidney.egfr": said("eGFR"),
    "kidney.egfr_age_days": said("how old the eGFR is"),
    "kidney.aki_stage": said("whether there is acute kidney injury"),
    "kidney.crcl": said("creatinine clearance (age, weight and creatinine are needed)"),
    "magnesium.obstetric": said("whether magnesium is given for pregnancy or after delivery"),
    "magnesium.total_mg": said("how much magnesium is taken in all"),
    "magnesium.amount_mg": said("how much magnesium is taken in all"),
    "magnesium.over_limit": said("how much magnesium is taken in all"),
    "magnesium.source_count": said("how many magnesium products are taken"),
    "magnesium.focal_start_days": said("when the magnesium product was started"),
    "toxicity.oldest_sign_days": said("when the signs began"),
    "toxicity.level_measured": said("whether magnesium has been measured since the signs began"),
    "lab.age_days": said("when exactly a sample was taken"),
    "vital.age_days": said("when exactly a vital sign was measured"),
    "condition.age_days": said("when the condition was recorded"),
    "condition.confirmed": said("whether the diagnosis is confirmed"),
    "medication.route": said("the route of a medication"),
    "medication.start_days": _START,
    "medication.known_days": _START,
    "medication.stopped_days": _STOP,
    "medication.dose_mg": said("the daily dose of a medication"),
    "medication.reason": said("why a medication is given"),
    "medication.before_cramp": said("whether a medication was started before the cramps"),
    "magnesium-product.known_days": said("when the magnesium product was started"),
    "statin-dose.dose_mg": said("the daily dose of the statin"),
    "statin-dose.days_at_dose": said("how long the statin has been taken at this dose"),
    "symptom.onset_days": said("when the symptom began"),
    "symptom.after_magnesium": said("whether the symptom began after the magnesium product"),
    "symptom.after_diuretic": said("whether the cramps began after the diuretic"),
    "symptom.statin_period": said("whether the symptom began after the statin"),
    "symptom.confirmed": said("whether the symptom is confirmed"),
    "symptom.severe_deficiency": said("whether there is a sign of severe magnesium deficiency"),
}
"""By kind and field, where the kind alone would say too little."""
_KINDS: Mapping[str, Said] = {
    "patient": said("age, sex or state of the patient"),
    "kidney": said("kidney function"),
    "magnesium": said("which magnesium products are taken"),
    "toxicity": said("signs of magnesium excess"),
    "lab": said("a laboratory result that can be used"),
    "vital": said("a vital sign that can be used"),
    "slco1b1": said("the SLCO1B1 phenotype"),
    "medication": said("the medication list"),
    "magnesium-product": said("which magnesium products are taken"),
    "statin-dose": said("the dose of the statin"),
    "condition": said("the problem list"),
    "symptom": said("reported symptoms"),
    "order": said("which tests are ordered"),
    "renal-risk": said("risk factors for impaired kidneys"),
    "deficiency-risk": said("risks for low magnesium"),
    "interaction": said("the dose of the statin"),
    "spacing": said("which medications are taken by mouth"),
}
PARTS: Mapping[str, Said] = {
    "patient": said("patient data"),
    "conditions": said("problem list"),
    "medications": said("medication list"),
    "labs": said("laboratory results"),
    "vitals": said("vital signs"),
    "procedures": said("procedures"),
    "orders": said("orders"),
}
"""What a clinician calls the parts of a record (`facts.DOMAINS`)."""


_CALLED: Mapping[str, Said] = {
    "sbp": said("systolic blood pressure"),
    "hr": said("heart rate"),
    "rr": said("respiratory rate"),
    "ck": said("CK"),
    "bun": said("BUN"),
    "tsh": said("TSH"),
    "qtc": said("QTc"),
    "egfr": said("eGFR"),
    "egfr_reported": said("reported eGFR"),
    "crcl": said("creatinine clearance"),
    "vitamin_d_25oh": said("25-hydroxyvitamin D"),
    "cystatin_c": said("cystatin C"),
    "aki": said("acute kidney injury"),
    "av-block-2-3": said("AV block"),
    "pad": said("peripheral artery disease"),
    "ppi": said("PPI"),
    "nsaid": said("NSAID"),
    "nmb": said("neuromuscular blocker"),
    "mg-wasting": said("drug that wastes magnesium"),
    "qt-prolonging": said("QT-prolonging drug"),
    "sps": said("sodium polystyrene sulfonate"),
    "acei-arb": said("ACE inhibitor or ARB"),
    "k-sparing-diuretic": said("potassium-sparing diuretic"),
    "slco1b1": said("SLCO1B1 phenotype"),
    "gitelman-bartter": said("Gitelman or Bartter syndrome"),
    "lambert-eaton": said("Lambert-Eaton syndrome"),
}


def called(key: str) -> Said:
    """What a key of the vocabulary (laboratory value, condition, symptom, class) is called on a card.

    >>> called("sbp"), called("mg-iv"), called("heart-failure"), called("")
    ('systolic blood pressure', 'magnesium product', 'heart failure', 'record entry')
    """
    if found := _CALLED.get(key):
        return found
    if key.startswith("mg-"):
        return said("magnesium product")
    return word(key) if key else said("record entry")


def asked(kind: str, field: str) -> Said:
    """What a field of a kind of fact is to a clinician.

    >>> asked("kidney", "tier"), asked("patient", "pregnant")
    ('kidney function', 'whether the patient is pregnant')
    """
    return _FIELDS.get(f"{kind}.{field}") or _KINDS.get(kind) or word(kind)
