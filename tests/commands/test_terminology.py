"""`cds-rules terminology update` against a terminology server over a socket: what it adds, and what it never does."""

from __future__ import annotations

import csv
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import cds_rules
from cds_rules.commands import terminology
from cds_rules.vocabulary.errors import PackError
from tests.commands.conftest import Typed

SNOMED = "http://snomed.info/sct"
CKD4, CKD3B, MYASTHENIA = "431857002", "700379002", "91637004"
OCULAR, NEW_CKD4, DOWN = "31839002", "111111111", "busy"
BELOW = {
    MYASTHENIA: {MYASTHENIA: "Myasthenia gravis", OCULAR: "Myasthenia gravis, ocular"},
    CKD4: {CKD4: "Chronic kidney disease stage 4", NEW_CKD4: "Stage 4 with something new", CKD3B: "known to the pack"},
}
"""What the server holds below some concepts of the pack; it does not know the others."""


class Server:
    """A terminology server that tests may spoil."""

    def __init__(self) -> None:
        self.page = 1
        self.expand: Callable[[str], Response | None] = lambda _: None
        self.asked: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/fhir/CodeSystem/$validate-code", self.validate),
                Route("/fhir/ValueSet/$expand", self.below),
            ]
        )

    def validate(self, request: Request) -> Response:
        known = request.query_params["code"] in BELOW
        return JSONResponse(
            {"resourceType": "Parameters", "parameter": [{"name": "result", "valueBoolean": known}]},
            media_type="application/fhir+json",
        )

    def below(self, request: Request) -> Response:
        root = request.query_params["url"].removeprefix(f"{SNOMED}?fhir_vs=isa/")
        self.asked.append(root)
        if (spoiled := self.expand(root)) is not None:
            return spoiled
        offset = int(request.query_params["offset"])
        held = [{"system": SNOMED, "code": code, "display": display} for code, display in BELOW[root].items()]
        contains = held[offset : offset + self.page]
        body: dict[str, Any] = {
            "resourceType": "ValueSet",
            "status": "active",
            "expansion": {
                "timestamp": "2026-01-01T00:00:00Z",
                "total": len(held),
                "offset": offset,
                "contains": contains,
            },
        }
        return JSONResponse(body, media_type="application/fhir+json")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def address(server: Server) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        running = uvicorn.Server(uvicorn.Config(server.app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not running.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/fhir"
        running.should_exit = True
        thread.join(10)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "codes.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_codes_below_a_concept_are_added_page_by_page(
    typed: Typed, address: str, server: Server, tmp_path: Path
) -> None:
    done = typed("terminology", "update", "--server", address, "--out", tmp_path)
    assert done.code == 1, "most concepts are not known to this server, and that is told"
    assert "the server does not know the code" in done.out
    assert server.asked.count(MYASTHENIA) == 2, "a page holds one code"
    found = {(row["key"], row["code"]) for row in rows(tmp_path)}
    assert ("ckd-4", NEW_CKD4) in found
    assert CKD3B not in {code for _, code in found}, "what the pack knows keeps its meaning"
    assert all(row["source"].startswith(address.removesuffix("/fhir")) for row in rows(tmp_path))


def test_what_was_added_is_read_at_start_up_and_told_by_codes(typed: Typed, address: str, tmp_path: Path) -> None:
    typed("terminology", "update", "--server", address, "--out", tmp_path)
    with_codes, without = cds_rules.load_packs(codes=tmp_path / "codes.csv"), cds_rules.load_packs()
    added = {row["code"] for row in with_codes.tables["conditions"]} - {
        row["code"] for row in without.tables["conditions"]
    }
    assert NEW_CKD4 in added
    assert with_codes.fingerprint != without.fingerprint
    assert typed("codes", NEW_CKD4, "--system", "snomed").code == 1
    told = typed("codes", NEW_CKD4, "--system", "snomed", "--overlay", tmp_path / "codes.csv")
    assert told.code == 0
    assert "ckd-4" in told.out
    assert "overlay/codes.csv:" in told.out


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (Response("<html>", media_type="application/json"), "the answer is not JSON"),
        (JSONResponse([1]), "the answer is no FHIR resource"),
        (JSONResponse({"resourceType": "OperationOutcome"}), "the answer to $expand is no expanded ValueSet"),
        (
            JSONResponse({"resourceType": "ValueSet", "expansion": {"contains": [{"code": 7}, None]}}),
            "its expansion does not hold the concept itself",
        ),
        (JSONResponse({}, status_code=500), "status 500 to ValueSet/$expand"),
    ],
)
def test_nonsense_costs_one_concept_and_nothing_that_was_there(
    typed: Typed, address: str, server: Server, tmp_path: Path, answer: Response, because: str
) -> None:
    typed("terminology", "update", "--server", address, "--out", tmp_path)
    before = rows(tmp_path)
    server.expand = lambda root: answer if root == CKD4 else None
    done = typed("terminology", "update", "--server", address, "--out", tmp_path)
    assert f"not asked for: ckd-4 {CKD4}: {because}" in done.out
    assert "stand from an earlier update" in done.out
    assert rows(tmp_path) == before


def test_a_busy_server_is_asked_again(typed: Typed, address: str, server: Server, tmp_path: Path) -> None:
    turns = iter([JSONResponse({}, status_code=503)])
    server.expand = lambda _: next(turns, None)
    typed("terminology", "update", "--server", address, "--out", tmp_path)
    assert {"ckd-4", "myasthenia-gravis"} >= {row["key"] for row in rows(tmp_path)} >= {"ckd-4"}


def test_too_many_codes_are_refused(
    typed: Typed, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminology, "MOST_CODES", 2)
    assert (
        f"ckd-4 {CKD4}: more than 2 codes lie below it"
        in typed("terminology", "update", "--server", address, "--out", tmp_path).out
    )


def test_nobody_there_writes_nothing(typed: Typed, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        done = typed(
            "terminology", "update", "--server", f"http://127.0.0.1:{closed.getsockname()[1]}", "--out", tmp_path
        )
    assert (done.code, done.out) == (2, "")
    assert "nothing could be asked for" in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "has not the columns table, key, system, code, display, source"),
        ("table,key,system,code,display,source\nlabs,ck,s,1,,x\n", 'codes.csv:2: table: found "labs"'),
        ("table,key,system,code,display,source\nconditions,ckd-9,s,1,,x\n", 'no pack has a concept "ckd-9"'),
        ("table,key,system,code,display,source\nconditions,ckd-4,s\n", "6 cells belong in a row"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "codes.csv").write_text(text)
    with pytest.raises(PackError) as refused:
        cds_rules.load_packs(codes=tmp_path / "codes.csv")
    assert message in str(refused.value)
