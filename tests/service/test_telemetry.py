"""What is counted, traced and logged; that nothing of a patient is in any of it; and the check of ourselves."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from cds_rules.engine.judging import Outcome
from cds_rules.engine.reference import World
from cds_rules.evaluate import Knowledge
from cds_rules.service.app import create_app
from cds_rules.service.canary import Canaries
from cds_rules.service.logs import Json, Words, log
from cds_rules.service.metrics import Metrics
from cds_rules.service.settings import Settings, Telemetry
from cds_rules.service.traces import NoTraces, Spans, traces
from cds_rules.vocabulary.errors import CdsRulesError
from cds_rules.vocabulary.frozen import replace
from tests.hooks.build import body, context, everything, magnesium, searchset
from tests.hooks.fakes import AT, card, evaluation
from tests.service.conftest import HERE, Stage

VIEW = "/cds-services/magnesium-cramps-patient-view"
JSON = {"Content-Type": "application/json"}
MARKER = "Zebedee7Marker"


def value(text: str, name: str, **labels: str) -> float:
    """A sample of Prometheus's text."""
    wanted = ",".join(f'{key}="{said}"' for key, said in labels.items())
    line = next(
        (each for each in text.splitlines() if each.startswith(f"{name}{{{wanted}}}" if labels else f"{name} ")),
        f"{name} 0",
    )
    return float(line.rpartition(" ")[2])


def test_what_becomes_of_rules_is_counted(client: TestClient, stage: Stage) -> None:
    outcomes = {
        "a": Outcome("fired"),
        "b": Outcome("suppressed"),
        "c": Outcome("not-judged", None, ("x",)),
        "d": Outcome("not-fired"),
    }
    stage.result = replace(evaluation(cards=(card(),)), outcomes=outcomes, disagreements=("a: when",))
    for _ in range(3):
        client.post(VIEW, content=body(), headers=JSON)
    client.post(VIEW, content=b"{", headers=JSON)
    client.post("/cds-services/other", content=body(), headers=JSON)
    text = client.get("/metrics").text
    for rule, outcome in outcomes.items():
        assert value(text, "cds_rules_rule_outcomes_total", outcome=outcome.state, rule=rule) == 3
    assert value(text, "cds_rules_matcher_disagreements_total", rule="a") == 3
    endpoint = VIEW.rpartition("/")[2]
    assert value(text, "cds_rules_requests_total", endpoint=endpoint, status="200") == 3
    assert value(text, "cds_rules_requests_total", endpoint=endpoint, status="400") == 1
    assert value(text, "cds_rules_requests_total", endpoint="unknown", status="404") == 1
    assert value(text, "cds_rules_stage_seconds_count", stage="judge") == 3
    assert value(text, "cds_rules_requests_under_way") == 0
    assert value(text, "cds_rules_canary_ok") == 1


def test_a_failure_is_counted(client: TestClient, stage: Stage) -> None:
    stage.result = RuntimeError()
    client.post(VIEW, content=body(), headers=JSON)
    assert value(client.get("/metrics").text, "cds_rules_failures_total") == 1


def test_nobody_can_make_labels(client: TestClient) -> None:
    before = len(client.get("/metrics").text.splitlines())
    for number in range(50):
        client.get(f"/{MARKER}{number}")
        client.post(f"/cds-services/{MARKER}{number}", content=body(), headers=JSON)
        client.post(f"/cds-services/{MARKER}{number}/feedback", content=body(), headers=JSON)
    after = client.get("/metrics").text
    assert MARKER not in after
    assert len(after.splitlines()) < before + 60


# --- logs ----------------------------------------------------------------------------------------------------------------


def formatted(formatter: logging.Formatter, caplog: pytest.LogCaptureFixture) -> list[str]:
    return [formatter.format(record) for record in caplog.records if record.name.startswith("cds_rules")]


def test_a_line_is_one_json_object(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log(logging.INFO, "call", status=200, text='a\n"b"', nothing=None)
    (line,) = formatted(Json(), caplog)
    told = json.loads(line)
    assert "\n" not in line
    assert (told["event"], told["status"], told["text"], told["level"]) == ("call", 200, 'a\n"b"', "info")
    assert "nothing" not in told
    assert formatted(Words(), caplog) == ['INFO:     call status=200 text=a "b"']


@pytest.mark.parametrize("formatter", [Json(), Words()], ids=["json", "text"])
def test_the_message_of_an_exception_is_never_logged(formatter: logging.Formatter) -> None:
    try:
        raise ValueError(MARKER)
    except ValueError:
        record = logging.LogRecord(
            "uvicorn.error", logging.ERROR, "", 1, "Exception in ASGI application\n", (), sys.exc_info()
        )
    line = formatter.format(record)
    assert MARKER not in line
    assert "ValueError at test_telemetry.py" in line


# --- traces --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What an application that is made next traces."""
    exporter = InMemorySpanExporter()
    made: list[Spans] = []

    def tracing(settings: Settings) -> Spans:
        made.append(Spans(settings, exporter))
        return made[-1]

    monkeypatch.setattr("cds_rules.service.app.traces", tracing)
    yield exporter
    for each in made:
        each.close()


def test_a_trace_of_the_caller_is_taken_over(spans: InMemorySpanExporter, serve: Callable[..., TestClient]) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    serve().post(VIEW, content=body(), headers=JSON | {"traceparent": parent, "tracestate": f"x={MARKER}"})
    found = {each.name: each for each in spans.get_finished_spans()}
    assert {"cds-hooks", "authenticate", "body", "judge", "answer"} == set(found)
    assert {f"{each.context.trace_id:032x}" for each in found.values()} == {"0af7651916cd43dd8448eb211c80319c"}
    top = found["cds-hooks"]
    assert f"{top.parent.span_id:016x}" == "b7ad6b7169203331"
    assert all(found[name].parent.span_id == top.context.span_id for name in ("authenticate", "judge"))
    assert top.attributes["http.response.status_code"] == 200
    assert MARKER not in "".join(each.to_json() for each in found.values())


def test_a_failure_is_marked_without_its_message(
    spans: InMemorySpanExporter, serve: Callable[..., TestClient], stage: Stage
) -> None:
    client = serve()
    stage.result = RuntimeError(MARKER)
    client.post(VIEW, content=body(), headers=JSON | {"traceparent": "rubbish"})
    told = "".join(each.to_json() for each in spans.get_finished_spans())
    assert '"ERROR"' in told
    assert "RuntimeError" in told
    assert MARKER not in told


def test_nothing_is_traced_unless_a_collector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(traces(Settings()), NoTraces)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(CdsRulesError, match=r"pip install 'cds-rules\[tracing\]'"):
        traces(Settings(telemetry=Telemetry(traces_endpoint="http://127.0.0.1:4318")))


# --- nothing of a patient anywhere ------------------------------------------------------------------------------------------


def marked() -> list[bytes]:
    """Requests with a marker in every place that a patient's data or a secret can stand in; some of them faulty."""
    patient = {
        "resourceType": "Patient",
        "id": MARKER,
        "name": [{"text": MARKER, "family": MARKER}],
        "birthDate": "1950-05-05",
        "gender": "female",
    }
    subject = {"reference": f"Patient/{MARKER}"}
    drug = {
        "resourceType": "MedicationRequest",
        "id": f"{MARKER}-1",
        "status": "active",
        "intent": "order",
        "subject": subject,
        "medicationCodeableConcept": {"text": f"Magnesium oxide 400 mg {MARKER}"},
        "note": [{"text": MARKER}],
        "dosageInstruction": [{"text": f"1 tablet twice a day {MARKER}"}],
    }
    fields: dict[str, Any] = {
        "hookInstance": MARKER,
        "context": context(patientId=MARKER, userId=f"Practitioner/{MARKER}", encounterId=MARKER),
        "fhirServer": f"https://{MARKER}.example/fhir",
        "fhirAuthorization": {
            "access_token": MARKER,
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": MARKER,
            "subject": MARKER,
        },
        "extension": {MARKER: MARKER},
    }
    good = everything(
        patient=patient,
        magnesium=searchset(magnesium(subject=subject, note=[{"text": MARKER}])),
        medications=searchset(drug),
    )
    return [
        body(prefetch=good, **fields),
        body(prefetch={MARKER: MARKER, "patient": MARKER}, **fields),
        body(prefetch=MARKER, **fields),
        body(**fields | {"hook": MARKER}),
        body(**fields | {"context": MARKER}),
        body(prefetch={"patient": patient, "medications": {"resourceType": MARKER}}, **fields),
        json.dumps(MARKER).encode(),
        MARKER.encode(),
    ]


def test_a_marker_is_in_no_log_metric_trace_or_error(
    spans: InMemorySpanExporter, knowledge: Knowledge, caplog: pytest.LogCaptureFixture
) -> None:
    client = TestClient(create_app(knowledge, Settings(), clock=lambda: AT), client=HERE, raise_server_exceptions=False)
    secret = {"Authorization": f"Bearer {MARKER}", "User-Agent": MARKER, "Cookie": MARKER, "X-Request-Id": MARKER}
    told: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for sent in marked():
            answer = client.post(VIEW, content=sent, headers=JSON | secret)
            assert answer.status_code in (200, 400, 412), answer.text
            if answer.status_code != 200:
                told.append(answer.text)
            client.post(f"{VIEW}/feedback", content=sent, headers=JSON | secret)
        told.append(client.get(f"/{MARKER}?{MARKER}", headers=secret).text)
    told += [
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore", "asyncio"))
    ]
    told += [client.get("/metrics").text, *(each.to_json() for each in spans.get_finished_spans())]
    assert len(told) > 20
    assert not [each for each in told if MARKER in each]


HOSTILE = {
    "html": "<img src=x onerror=alert(1)>",
    "link": "[click](javascript:alert(1))",
    "pipe": "a | b |\n|---|---|",
    "bidi": "abc\u202ecba\u2066x\u200b",
    "code": "`code` **bold** # head",
    "address": "see https://evil.example/x or www.evil.example",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_in_a_record_shows_as_text(knowledge: Knowledge, name: str) -> None:
    text = HOSTILE[name]
    patient = {
        "resourceType": "Patient",
        "id": "p1",
        "birthDate": "1950-05-05",
        "gender": "female",
        "name": [{"text": text}],
    }
    drug = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "authoredOn": "2026-01-01",
        "subject": {"reference": "Patient/p1", "display": text},
        "medicationCodeableConcept": {
            "text": f"Magnesium oxide 400 mg tablet {text}",
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "311625", "display": text}],
        },
        "dosageInstruction": [{"text": f"1 tablet PO BID {text}"}],
    }
    lab = magnesium(code={"coding": [{"system": "http://loinc.org", "code": "19123-9", "display": text}], "text": text})
    sent = body(
        prefetch=everything(patient=patient, magnesium=searchset(lab), medications=searchset(drug)),
        context=context(userId=text),
        hookInstance=text,
    )
    client = TestClient(create_app(knowledge, Settings(), clock=lambda: AT), client=HERE)
    answer = client.post(VIEW, content=sent, headers=JSON)
    assert answer.status_code == 200
    cards = answer.json()["cards"]
    assert cards
    for each in cards:
        for shown in (each["summary"], each["detail"]):
            assert not [sign for sign in "\u202e\u2066\u200b" if sign in shown]
        for sign in ("<img", "](javascript:", "https://evil", "www.evil.", "`code`", "**bold**"):
            assert sign not in each["detail"]
        assert len(each["summary"]) < 140
        assert "\n" not in each["summary"]


# --- the check of ourselves ---------------------------------------------------------------------------------------------------


def test_the_samples_decide_readiness(knowledge: Knowledge) -> None:
    metrics = Metrics()
    canaries = Canaries(knowledge, Settings(), metrics)
    asyncio.run(canaries.ensure())
    assert canaries.trouble == ""
    assert value(metrics.text().decode(), "cds_rules_canary_ok") == 1


def test_a_rule_that_no_longer_fires_makes_the_service_not_ready(
    knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = TestClient(create_app(knowledge, Settings(), clock=lambda: AT), client=HERE)
    judge = type(knowledge.judge).judge

    def deaf(self: Any, hook: str, world: World, *rest: Any) -> Any:
        heard = [each for kind, facts in world.facts.items() if kind != "kidney" for each in facts]
        return judge(self, hook, World(heard, world.gaps), *rest)

    with monkeypatch.context() as broken:
        broken.setattr(type(knowledge.judge), "judge", deaf)
        for answer in (client.get("/readyz"), client.post(VIEW, content=body(), headers=JSON)):
            assert answer.status_code == 503
        assert "the sample " in caplog.text
        assert value(client.get("/metrics").text, "cds_rules_canary_ok") == 0
    client.app.state.desk.canaries._asked = float("-inf")  # type: ignore[attr-defined]
    assert client.get("/readyz").status_code == 200
    assert value(client.get("/metrics").text, "cds_rules_canary_ok") == 1


def test_metrics_of_dead_workers_stay_and_what_they_said_of_the_present_goes(tmp_path: Path) -> None:
    code = (
        "import os; from cds_rules.service.metrics import Metrics; m = Metrics(); m.failures.inc(2); m.under_way.set(5); "
        "m.canaries.set(0); print(os.getpid())"
    )
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    last = subprocess.run(
        [sys.executable, "-c", f"{code}; m.canaries.set(1); m.under_way.set(1); print(m.text().decode())"],
        env=environment, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert value(last, "cds_rules_failures_total") == 6
    assert value(last, "cds_rules_requests_under_way") == 1
    assert value(last, "cds_rules_canary_ok") == 1
