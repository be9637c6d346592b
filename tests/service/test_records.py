"""Feedback and memory over HTTP, with a real store: what is acknowledged is kept, and no store harms an answer."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from starlette.testclient import TestClient

from cds_rules.evaluate import Knowledge
from cds_rules.hooks.response import EVALUATION
from cds_rules.hooks.schemas import RESPONSE
from cds_rules.service import settings as sections
from cds_rules.service.app import create_app
from cds_rules.service.settings import Settings
from cds_rules.store.errors import StoreError
from cds_rules.store.store import Store
from tests.service.jwt import bearer, key_set, token
from tests.store.scenes import KEY, SERVICE, sample

VIEW = f"/cds-services/{SERVICE}"
STRANGER = "0b9e3c3e-2f4e-4b6f-9a52-8e7e1f0d1c11"


@pytest.fixture
def start(knowledge: Knowledge, tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """Start a service over one database; each call is another worker of it."""
    running: list[TestClient] = []

    def made(url: str = f"sqlite:///{tmp_path / 'a.db'}", **section: Any) -> TestClient:
        store = sections.Store(**{"url": SecretStr(url), "key": SecretStr(KEY)} | section)
        client = TestClient(
            create_app(knowledge, Settings(store=store)), raise_server_exceptions=False, client=("127.0.0.1", 50000)
        )
        client.__enter__()
        running.append(client)
        return client

    yield made
    for client in running:
        client.__exit__(None, None, None)


def store_of(client: TestClient) -> Store:
    kept: Store = client.app.state.desk.records.store  # type: ignore[attr-defined]
    return kept


def settled(client: TestClient) -> None:
    """Wait until what was answered has been written."""
    end = time.monotonic() + 20
    while store_of(client).counts().waiting and time.monotonic() < end:
        time.sleep(0.02)
    assert not store_of(client).counts().waiting


def ask(client: TestClient, body: Any = None) -> dict[str, Any]:
    answer = client.post(VIEW, json=body or sample())
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def item(card: str, **changes: Any) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": at} | changes


def test_an_overridden_card_stays_away_over_workers_and_restarts(start: Callable[..., TestClient]) -> None:
    first, second = start(), start()
    card = ask(first)["cards"][0]
    settled(first)
    told = second.post(f"{VIEW}/feedback", json={"feedback": [item(card["uuid"])]})
    assert (told.status_code, told.json()) == (
        200,
        {"feedback": [{"card": card["uuid"], "outcome": "overridden", "status": "recorded"}]},
    )
    for client in (first, second, start()):
        answer = ask(client, sample(hookInstance="another call"))
        assert answer["cards"] == []
        (silent,) = answer["extension"]["dev.cds-rules.evaluation"]["suppressed"]
        assert silent["rule"] == "mg-oral-severe-ckd"
        assert silent["because"].startswith("overridden ")
    other = json.loads(json.dumps(sample()).replace(sample()["context"]["patientId"], "somebody-else"))
    assert ask(first, other)["cards"]


def test_what_was_overridden_is_explained_so(start: Callable[..., TestClient]) -> None:
    client = start()
    card = ask(client)["cards"][0]
    settled(client)
    client.post(f"{VIEW}/feedback", json={"feedback": [item(card["uuid"])]})
    told = client.post("/explain?rule=mg-oral-severe-ckd", json=sample()).json()["rules"][0]
    assert (told["outcome"], told["by"]) == ("suppressed", "override")
    assert told["because"][0].startswith("overridden ")


def test_all_that_is_told_of_an_evaluation_is_in_the_document(start: Callable[..., TestClient]) -> None:
    described = RESPONSE["properties"]["extension"]["properties"][EVALUATION]["properties"]
    client = start()
    dead = sample()
    dead["prefetch"]["patient"]["deceasedBoolean"] = True
    deceased = ask(client, dead)["extension"][EVALUATION]
    card = ask(client)["cards"][0]
    settled(client)
    client.post(f"{VIEW}/feedback", json={"feedback": [item(card["uuid"])]})
    overridden = ask(client)["extension"][EVALUATION]
    assert "suppressed" in overridden
    assert "silenced" in deceased
    assert {*overridden, *deceased} <= described.keys()


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("name", ["key", "previous_keys"])
def test_a_key_that_cannot_be_used_ends_the_start(name: str, away: bool, knowledge: Knowledge, tmp_path: Path) -> None:
    url = "postgresql://127.0.0.1:1/nowhere" if away else f"sqlite:///{tmp_path / 'a.db'}"
    section = {"url": SecretStr(url), "key": SecretStr(KEY)} | {name: SecretStr("short")}
    app = create_app(knowledge, Settings(store=sections.Store(**section)))
    with pytest.raises(StoreError, match="store key: a secret of at least 32 characters"), TestClient(app):
        pass


def test_two_clients_that_use_one_id_for_two_patients_share_no_memory_and_no_report(
    knowledge: Knowledge, tmp_path: Path
) -> None:
    """Neither names a FHIR server or a tenant: only the issuers of their tokens tell the two patients apart."""
    names = ("https://one.example.org", "https://two.example.org")
    settings = Settings(
        trust=sections.Trust(issuers=tuple(sections.Issuer(each, jwks=key_set()) for each in names)),
        store=sections.Store(SecretStr(f"sqlite:///{tmp_path / 'a.db'}"), key=SecretStr(KEY)),
    )
    with TestClient(create_app(knowledge, settings), client=("127.0.0.1", 50000)) as client:

        def say(issuer: str, path: str, body: Any = None) -> Any:
            headers = bearer(token(path, iss=issuer))
            answer = (
                client.get(path, headers=headers) if body is None else client.post(path, json=body, headers=headers)
            )
            assert answer.status_code == 200
            return answer.json()

        card = say(names[0], VIEW, sample())["cards"][0]["uuid"]
        settled(client)
        say(names[0], f"{VIEW}/feedback", {"feedback": [item(card)]})
        assert [len(say(each, VIEW, sample(hookInstance=each))["cards"]) for each in names] == [0, 1]
        settled(client)
        reports = [say(each, "/reports/feedback")["rules"][0] for each in names]
        assert [(each["shown"], each["overridden"]["count"]) for each in reports] == [(1, 1), (1, 0)]


def test_a_partly_bad_batch_keeps_what_can_be_kept_and_says_which(start: Callable[..., TestClient]) -> None:
    client = start()
    told = client.post(f"{VIEW}/feedback", json={"feedback": [item(STRANGER), item(STRANGER, outcome="ignored")]})
    assert told.status_code == 400
    assert [(each["severity"], each["diagnostics"]) for each in told.json()["issue"]] == [
        ("error", 'feedback[1].outcome: found another word; "accepted" or "overridden" belongs here'),
        ("information", "Recorded: the items 0 of the list."),
    ]
    assert client.get("/reports/feedback").json()["unmatched"] == 1


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", json.dumps({"feedback": [{"card": 1}]}).encode()])
def test_feedback_that_cannot_be_read_is_refused(start: Callable[..., TestClient], body: bytes) -> None:
    answer = start().post(f"{VIEW}/feedback", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_the_report_takes_limits_and_names_bad_ones(start: Callable[..., TestClient]) -> None:
    client = start()
    ask(client)
    settled(client)
    assert client.get("/reports/feedback").json()["rules"][0]["unanswered"]["count"] == 1
    assert client.get("/reports/feedback?since=2999-01-01").json()["rules"] == []
    for said in ("soon", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00%2B14:00"):
        refused = client.get(f"/reports/feedback?until={said}")
        assert refused.status_code == 400
        assert "until: found something else; a day such as" in refused.text


def test_a_store_that_is_away_harms_no_answer_and_acknowledges_no_feedback(
    start: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    client = start("postgresql://127.0.0.1:1/nowhere")
    store_of(client)._recorder._until = 0  # the end does not wait for it either
    for _ in range(3):
        assert ask(client)["cards"]
    told = client.post(f"{VIEW}/feedback", json={"feedback": [item(STRANGER)]})
    assert (told.status_code, told.headers["retry-after"]) == (503, "5")
    assert "nothing was recorded" in told.text
    assert client.get("/reports/feedback").status_code == 503
    assert "overrides are not looked for" in caplog.text
    metrics = client.get("/metrics").text
    assert "cds_rules_overrides_unheeded_total 3.0" in metrics
    assert "cds_rules_decision_queue 3.0" in metrics


def test_a_silent_answer_waits_for_no_store(start: Callable[..., TestClient]) -> None:
    client = start("postgresql://127.0.0.1:1/nowhere")
    store_of(client)._recorder._until = 0
    silent = sample()
    silent["prefetch"] = {key: each if key == "patient" else None for key, each in silent["prefetch"].items()}
    assert ask(client, silent)["cards"] == []
    assert "cds_rules_overrides_unheeded_total 0.0" in client.get("/metrics").text


def test_a_locked_store_harms_no_answer(start: Callable[..., TestClient]) -> None:
    client = start()
    with store_of(client).database.writing():
        assert ask(client)["cards"]
    settled(client)
    assert store_of(client).verify().rows == 1
    assert "cds_rules_decision_queue 0.0" in client.get("/metrics").text, "what has been written waits no longer"


def test_what_waits_is_written_at_the_end(
    start: Callable[..., TestClient], knowledge: Knowledge, tmp_path: Path
) -> None:
    section = sections.Store(url=SecretStr(f"sqlite:///{tmp_path / 'b.db'}"), key=SecretStr(KEY))
    with TestClient(create_app(knowledge, Settings(store=section)), client=("127.0.0.1", 50000)) as client:
        for number in range(30):
            ask(client, sample(hookInstance=str(number)))
        kept = store_of(client)
    assert (kept.verify().rows, kept.verify().problem) == (30, "")
    kept.database.close()


def test_nothing_is_kept_where_nothing_is_to_be_kept(start: Callable[..., TestClient]) -> None:
    client = start(keep="off")
    ask(client)
    assert store_of(client).verify().rows == 0
    assert client.post(f"{VIEW}/feedback", json={"feedback": [item(STRANGER)]}).status_code == 200


def test_no_data_of_a_patient_is_in_the_database_or_the_log(
    start: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    """A marker in name, id, drug, user, server, token, comment, reason and ids that are none."""
    caplog.set_level(logging.DEBUG)
    marker = "zyxwvmarker"
    client = start()
    patient = sample()["context"]["patientId"]
    written = (
        json.dumps(sample())
        .replace(patient, f"{patient}-{marker}")
        .replace("Magnesium oxide", f"{marker} magnesium oxide")
    )
    body = json.loads(written)
    body |= {"hookInstance": f"call-{marker}", "fhirServer": f"https://{marker}.example.org/fhir"}
    body["fhirAuthorization"] = {
        "access_token": marker,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": marker,
        "subject": marker,
    }
    body["context"] |= {"userId": f"Practitioner/{marker}", "encounterId": marker}
    body["prefetch"]["patient"] |= {"name": [{"family": marker}], "address": [{"text": marker}]}
    answer = client.post(VIEW, json=body)
    assert marker in answer.text
    settled(client)
    said = {"reason": {"code": f"{marker} code", "display": marker, "system": marker}, "userComment": marker}
    items = [
        *(item(card["uuid"], overrideReason=said) for card in answer.json()["cards"]),
        item(marker, overrideReasons=said | {"extension": {"x": marker}}),
        item(STRANGER, outcome="accepted", acceptedSuggestions=[{"id": marker}]),
    ]
    assert client.post(f"{VIEW}/feedback", json={"feedback": items}).status_code == 200
    refused = client.post(f"{VIEW}/feedback", json={"feedback": [item(marker, outcome=marker)], marker: marker})
    assert refused.status_code == 400
    assert marker not in refused.text
    ask(client, body)
    settled(client)
    kept = store_of(client)
    with kept.database.reading() as connection:
        tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        rows = {name: repr(connection.execute(text(f"SELECT * FROM {name}")).all()) for name in tables}
    assert rows["alert"] != "[]"
    assert rows["feedback"] != "[]"
    assert [name for name, said in rows.items() if marker in said or patient in said] == []
    folder = Path(str(kept.database.url.database)).parent
    assert [path.name for path in folder.iterdir() if marker.encode() in path.read_bytes()] == []
    assert marker not in caplog.text
    assert marker not in client.get("/metrics").text
