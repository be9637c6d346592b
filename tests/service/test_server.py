"""The service on a real socket: what a test client that never leaves the process cannot show."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from cds_rules.evaluate import Knowledge
from cds_rules.service.app import create_app
from cds_rules.service.settings import Settings
from tests.hooks.build import body
from tests.service.conftest import KNOWLEDGE, Stage

VIEW = "/cds-services/magnesium-cramps-patient-view"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def port(stage: Stage) -> Iterator[int]:
    """A server in a thread of this process."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(KNOWLEDGE, Settings()), port=0, log_level="error", access_log=False)
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def talk(port: int, sent: bytes) -> bytes:
    """Send bytes as they are and read the answer to its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(port: int) -> None:
    sent = body()
    head = f"POST {VIEW} HTTP/1.1\r\nhost: x\r\ncOnTeNt-TyPe: application/json\r\ncontent-length: {len(sent)}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    answer = talk(port, head.encode() + sent)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert b"HTTP/1.1 200 OK" in answer


def test_fifty_megabytes_are_refused_before_they_are_sent(port: int) -> None:
    started = time.monotonic()
    answer = talk(
        port,
        f"POST {VIEW} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50000000\r\n\r\n".encode(),
    )
    assert answer.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - started < 5


def test_chunks_are_cut_off_at_the_limit(port: int) -> None:
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            f"POST {VIEW} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        )
        sent = 0
        try:
            while sent < 1000:
                connection.sendall(chunk)
                sent += 1
        except OSError:  # it has hung up on us, as it should
            pass
    assert sent < 1000


def test_what_is_not_http_does_not_stop_the_service(port: int) -> None:
    talk(port, b"\x16\x03\x01\x00\x00 not http\r\n\r\n")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()


def test_one_connection_serves_many_calls_each_with_its_own_correlation(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    seen = set()
    for number in range(50):
        connection.request("POST", VIEW, body(hookInstance=str(number)), {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert json.loads(response.read())["cards"]
        seen.add(response.headers["X-Correlation-Id"])
    connection.close()
    assert len(seen) == 50


@pytest.mark.parametrize(("workers", "settings"), [(1, {}), (2, {"CDS_RULES_HEED_AT": "true"})])
def test_the_command_of_the_readme_serves_a_card(workers: int, settings: dict[str, str], knowledge: Knowledge) -> None:
    """`python service.py`, then what its own page tells to type; at one and the same instant, the same bytes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"CDS_RULES_SERVER_PORT": str(port), "CDS_RULES_SERVER_WORKERS": str(workers)} | settings
    process = subprocess.Popen(
        [sys.executable, "service.py"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        for _ in range(1200):
            assert process.poll() is None, process.stdout.read().decode() if process.stdout else ""
            try:
                assert fetch(port, "GET", "/readyz")[0] == 200
                break
            except OSError:
                time.sleep(0.1)
        page = fetch(port, "GET", "/")[1].decode()
        name, address = re.search(r"/samples/([\w-]+\.json).*?(/cds-services/[\w-]+)</pre>", page).groups()  # type: ignore[union-attr]
        status, answer = fetch(port, "POST", address, fetch(port, "GET", f"/samples/{name}")[1])
        assert (status, len(json.loads(answer)["cards"]) > 0) == (200, True)
        if settings:
            assert fetch(port, "POST", address, fetch(port, "GET", f"/samples/{name}")[1])[1] == answer
    finally:
        process.send_signal(signal.SIGINT)
        log = process.communicate(timeout=90)[0].decode()
    assert "Traceback" not in log
    assert "call status=200 endpoint=magnesium" in log


def test_a_mistake_in_the_settings_is_said_without_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "service.py"],
        cwd=ROOT,
        env=os.environ | {"CDS_RULES_SERVER_PORT": "http"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == 'CDS_RULES_SERVER_PORT: found "http"; a whole number from 0 to 65535 belongs here\n'


def fetch(port: int, method: str, path: str, sent: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, sent, {"Content-Type": "application/json"} if sent else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
