"""The service as it is run: TLS, slow clients, several workers, one of which is killed, and an orderly stop."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from bench.load import sustained
from cds_rules.service.app import create_app
from cds_rules.service.configuration import read_settings
from cds_rules.service.run import options
from cds_rules.service.settings import Limits, Server, Settings
from tests.hooks.build import body
from tests.service.certificates import Authority
from tests.service.conftest import KNOWLEDGE, Stage

ROOT = Path(__file__).parents[2]
VIEW = "/cds-services/magnesium-cramps-patient-view"
JSON = {"Content-Type": "application/json"}


@contextlib.contextmanager
def served(settings: Settings) -> Iterator[int]:
    """A server in a thread, with the very options of `cds-rules serve`; gives its port."""
    told = options(settings) | {"log_config": None, "port": 0}
    server = uvicorn.Server(uvicorn.Config(create_app(KNOWLEDGE, settings), **told))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(30)


def ask(
    port: int, method: str, path: str, sent: bytes | None = None, tls: ssl.SSLContext | None = None
) -> tuple[int, bytes]:
    make: Any = http.client.HTTPConnection if tls is None else http.client.HTTPSConnection
    connection = make("127.0.0.1", port, timeout=60, **({} if tls is None else {"context": tls}))
    try:
        connection.request(method, path, sent, JSON if sent else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


# --- TLS ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


def test_tls_is_spoken_directly(stage: Stage, authority: Authority) -> None:
    certificate, key = authority.issue("server")
    with served(Settings(server=Server(certificate=certificate, certificate_key=key))) as port:
        assert ask(port, "POST", VIEW, body(), ssl.create_default_context(cafile=str(authority.pem)))[0] == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(port, "GET", "/healthz", tls=ssl.create_default_context())
        old = ssl.create_default_context(cafile=str(authority.pem))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert ask(port, "GET", "/healthz", tls=old)[0] == 200


def test_a_client_certificate_is_demanded_where_that_is_set(stage: Stage, authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("server")
    settings = Settings(server=Server(certificate=certificate, certificate_key=key, client_ca=authority.pem))
    with served(settings) as port:
        for signer, welcome in ((authority, True), (Authority(tmp_path, "other"), False), (None, False)):
            context = ssl.create_default_context(cafile=str(authority.pem))
            if signer:
                context.load_cert_chain(*map(str, signer.issue("client")))
            if welcome:
                assert ask(port, "POST", VIEW, body(), context)[0] == 200
            else:
                with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
                    ask(port, "POST", VIEW, body(), context)


def test_only_a_listed_proxy_says_who_calls(stage: Stage) -> None:
    def status(settings: Settings) -> int:
        with served(settings) as port:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", VIEW, body(), JSON | {"X-Forwarded-For": "198.51.100.7"})
            found = connection.getresponse().status
            connection.close()
            return found

    assert status(Settings()) == 200, "the header of a client that is no proxy says nothing"
    assert status(Settings(server=Server(trusted_proxies=("127.0.0.1/32",)))) == 403, "development is for this machine"


# --- slow clients ---------------------------------------------------------------------------------------------------------


def trickle(port: int, first: bytes, drop: bytes, seconds: float) -> bytes:
    """Send something, then a drop now and then, until the other side hangs up or time is over; what it said."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.settimeout(0.2)
        connection.sendall(first)
        said, end = b"", time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                chunk = connection.recv(65536)
                if not chunk:
                    return said + b"<closed>"
                said += chunk
            except TimeoutError:
                with contextlib.suppress(OSError):
                    connection.sendall(drop)
            except OSError:
                return said + b"<closed>"
        return said


def test_a_head_that_never_ends_is_cut_off(stage: Stage) -> None:
    with served(Settings(server=Server(header_seconds=1))) as port:
        for first in (b"", f"POST {VIEW} HTTP/1.1\r\nhost: x\r\n".encode(), b"\r\n"):
            assert trickle(port, first, b"x-a: b\r\n" if first else b"", 20).endswith(b"<closed>")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(2):  # the limit is for a head, not for a connection that is kept
            connection.request("POST", VIEW, body(), JSON)
            assert connection.getresponse().read()
            time.sleep(1.2)
        connection.close()


def test_a_head_without_bounds_is_refused(stage: Stage) -> None:
    with served(Settings()) as port:
        head = f"POST {VIEW} HTTP/1.1\r\nhost: x\r\n".encode()
        assert b"431" in trickle(port, head + b"x-a: " + b"b" * 200_000, b"", 20)


def test_a_body_that_never_ends_is_a_408_with_everything_an_answer_has(stage: Stage) -> None:
    with served(Settings(limits=Limits(seconds=1))) as port:
        head = f"POST {VIEW} HTTP/1.1\r\nhost: x\r\norigin: https://a.example\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n"
        said = trickle(port, head.encode(), b" ", 20)
        assert said.startswith(b"HTTP/1.1 408")
        assert b"access-control-allow-origin" in said
        assert b"OperationOutcome" in said
        assert said.endswith(b"<closed>")


# --- processes --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def running(**variables: str) -> Iterator[tuple[subprocess.Popen[bytes], int, Callable[[], str]]]:
    """The command of the README; gives the process, its port, and what it logged when it has ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {f"CDS_RULES_{name}": said for name, said in variables.items()}
    written = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe that nobody reads is full some day, and the service waits
    process = subprocess.Popen(
        [sys.executable, "service.py"],
        cwd=ROOT,
        env=environment | {"CDS_RULES_SERVER_PORT": str(port)},
        stdout=written,
        stderr=subprocess.STDOUT,
    )
    logged: list[str] = []

    def log() -> str:
        if not logged:
            process.wait(120)
            with written:
                written.seek(0)
                logged.append(written.read().decode())
        return logged[0]

    try:
        for _ in range(3000):  # a machine that has much else to do starts slowly
            assert process.poll() is None, log()
            with contextlib.suppress(OSError):
                assert ask(port, "GET", "/readyz")[0] == 200
                break
            time.sleep(0.1)
        yield process, port, log
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        log()


def workers(process: subprocess.Popen[bytes]) -> set[int]:
    """The processes that answer: children that were started to run Python's own spawn_main with our server."""
    found = subprocess.run(
        ["ps", "-ww", "--ppid", str(process.pid), "-o", "pid=", "-o", "args="],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {int(line.split()[0]) for line in found.splitlines() if "spawn_main" in line}


def test_a_killed_worker_is_replaced_while_the_others_answer_and_counts_go_on() -> None:
    sample = (ROOT / "fhir_samples" / "mg-oral-severe-ckd" / "request.json").read_bytes()
    with running(SERVER_WORKERS="2", TELEMETRY_LOG_FORMAT="json", HEED_AT="true") as (process, port, log):
        first = workers(process)
        assert len(first) == 2
        answered = 0
        for victim in first:
            time.sleep(0.5)  # a count follows its answer; what is killed in between was answered and not counted
            os.kill(victim, signal.SIGKILL)
            until = time.monotonic() + 90
            while time.monotonic() < until and len(workers(process) - {victim}) < 2:
                with contextlib.suppress(ConnectionError, http.client.HTTPException):  # what was on the killed one
                    status, said = ask(port, "POST", VIEW, sample)
                    assert (status, len(json.loads(said)["cards"])) == (200, 1)
                    answered += 1
            assert ask(port, "POST", VIEW, sample)[0] == 200
            answered += 1
        assert not first & workers(process)
        until, counted, text = time.monotonic() + 30, 0.0, ""
        while time.monotonic() < until and counted < answered:  # the other worker may be asked before the last count
            text = ask(port, "GET", "/metrics")[1].decode()
            counted = float(re.search(rf'requests_total{{endpoint="{VIEW[14:]}",status="200"}} (\S+)', text)[1])  # type: ignore[index]
        assert answered <= counted <= answered + 2, "what dead workers counted is not lost"
        assert "cds_rules_canary_ok 1.0" in text
        process.send_signal(signal.SIGTERM)
        lines = log().splitlines()
    assert process.returncode == 0
    told = [json.loads(line) for line in lines]
    assert {"DEVELOPMENT MODE: anybody on this machine may call; never with real patients", "call"} <= {
        each["event"] for each in told
    }
    assert not [each for each in told if "error" in each]


def test_workers_do_not_outlive_the_process_that_watches_over_them() -> None:
    """What is started in its place finds the address free."""
    with running(SERVER_WORKERS="2") as (process, port, _):
        left = workers(process)
        assert len(left) == 2
        process.kill()
        process.wait()
        until, answers = time.monotonic() + 60, True
        while time.monotonic() < until and answers:
            time.sleep(0.1)
            try:
                ask(port, "GET", "/healthz")
            except (OSError, http.client.HTTPException):
                answers = False
        for each in left if answers else ():
            os.kill(each, signal.SIGTERM)
        assert not answers


def test_a_mistake_of_the_packs_ends_all_workers_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "pack.yaml").write_text("name: [")
    done = subprocess.run(
        [sys.executable, "service.py"],
        cwd=ROOT,
        env=os.environ
        | {"CDS_RULES_SERVER_WORKERS": "2", "CDS_RULES_PACKS_FOLDERS": str(tmp_path), "CDS_RULES_SERVER_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert "pack.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_answer_under_way_is_finished_when_the_service_stops() -> None:
    sent = (ROOT / "fhir_samples" / "mg-oral-severe-ckd" / "request.json").read_bytes()
    with running(HEED_AT="true") as (process, port, log):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(
                f"POST {VIEW} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(sent)}\r\n\r\n".encode()
                + sent[:100]
            )
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert process.poll() is None, "it waits for the answer"
            connection.sendall(sent[100:])
            said = b""
            while chunk := connection.recv(65536):
                said += chunk
        assert said.startswith(b"HTTP/1.1 200")
        assert json.loads(said.partition(b"\r\n\r\n")[2])["cards"]
        log()
    assert process.returncode in (0, -signal.SIGTERM), "ended by the signal itself, after all that it had to do"


def test_sixteen_callers_with_mixed_bodies_meet_no_error() -> None:
    report = sustained(5)
    assert (report.errors, report.broken) == (0, [])
    assert report.statuses[200] > 0


def test_check_says_whether_the_service_could_start(tmp_path: Path) -> None:
    def check(text: str) -> tuple[int, str]:
        (tmp_path / "x.toml").write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", "from cds_rules.cli import app; app()", "serve", "--check", "--config", str(tmp_path / "x.toml")],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    assert check("") == (0, "development: settings and packs are fit to start\n")
    code, said = check('mode = "production"')
    assert code == 2
    assert "trust.issuers: found none" in said
    assert "store.key" in said


def test_the_example_of_the_operators_page_is_fit_but_for_what_it_names(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operators.md").read_text("utf-8")
    example = re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1]  # type: ignore[index]
    for name in ("db-password", "store-key"):
        (tmp_path / name).write_text("x" * 40)
        example = example.replace(f"/run/secrets/{name}", str(tmp_path / name))
    (tmp_path / "x.toml").write_text(example)
    settings = read_settings(tmp_path / "x.toml", {})
    assert settings.production
    assert settings.store.database_url == f"postgresql://cds:{'x' * 40}@db/cds"
