"""Code systems under all the names they go by, and codes below a group."""

from __future__ import annotations

import pytest

from cds_rules.knowledge.codes import Codes, ndc11, system_name


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "rxnorm"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm/", "rxnorm"),
        ("urn:oid:2.16.840.1.113883.6.88", "rxnorm"),
        ("http://www.whocc.no/atc", "atc"),
        ("http://fhir.de/CodeSystem/bfarm/atc", "atc"),
        ("urn:oid:2.16.840.1.113883.6.73", "atc"),
        ("http://snomed.info/sct", "snomed"),
        ("http://snomed.info/sct/731000124108/version/20230301", "snomed"),
        ("http://snomed.info/sct|http://snomed.info/sct/900000000000207008", "snomed"),
        ("https://loinc.org", "loinc"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "icd-10-cm"),
        ("http://fhir.mimic.mit.edu/CodeSystem/diagnosis-icd10", "icd-10-cm"),
        ("http://hl7.org/fhir/sid/icd-10", "icd-10"),
        ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "icd-10"),
        ("http://fhir.de/CodeSystem/dimdi/icd-10-gm", "icd-10"),
        ("http://hl7.org/fhir/sid/icd-9-cm", ""),
        ("http://example.org/local", ""),
        ("", ""),
    ],
)
def test_a_code_system_has_one_name(uri: str, name: str) -> None:
    assert system_name(uri) == name


def test_a_key_against_takes_away_below_its_code() -> None:
    codes = Codes(
        [("http://www.whocc.no/atc", "M05B", "bone")], [("http://www.whocc.no/atc", "M05BX", "bone")], key=str
    )
    assert list(codes.of("http://www.whocc.no/atc", "M05BA04")) == ["bone"]
    assert list(codes.of("http://www.whocc.no/atc", "M05BX04")) == []
    assert list(codes.of("http://www.whocc.no/atc", "M05")) == []


@pytest.mark.parametrize("written", ["00517260225", "00517-2602-25", "0517-2602-25", " 00517260225"])
def test_an_ndc_is_eleven_digits(written: str) -> None:
    assert ndc11(written.strip()) == "00517260225"
