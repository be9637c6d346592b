"""The service behind nginx, configured by the very lines that docs/operators.md gives."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_rules.service.settings import Server, Settings
from tests.hooks.build import body
from tests.service.certificates import Authority
from tests.service.conftest import Stage
from tests.service.test_run import ROOT, VIEW, ask, served

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
SHIELD = Settings(server=Server(trusted_proxies=("127.0.0.1/32",)))

pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx is installed")


def documented() -> str:
    """The server block of the operators' page."""
    found = re.search(r"```nginx\n(.*?)```", (ROOT / "docs/operators.md").read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def proxied(folder: Path, authority: Authority, behind: int) -> Iterator[int]:
    """nginx with the documented block; only addresses and paths are those of this run."""
    certificate, key = authority.issue("server")
    front = free_port()
    block = documented()
    for there, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{front} ssl"),
        ("/etc/ssl/cds.pem", str(certificate)),
        ("/etc/ssl/cds-key.pem", str(key)),
        ("/etc/ssl/ehr-ca.pem", str(authority.pem)),
        ("http://127.0.0.1:8000", f"http://127.0.0.1:{behind}"),
    ):
        assert block.count(there) == 1, there
        block = block.replace(there, here)
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off; {paths}\n{block}}}\n"
    )
    assert NGINX
    server = subprocess.Popen([NGINX, "-e", "stderr", "-p", str(folder), "-c", str(file)], stderr=subprocess.PIPE)
    try:
        _wait(front, server)
        yield front
    finally:
        server.terminate()
        server.communicate(timeout=30)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert server.poll() is None, server.stderr and server.stderr.read()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError("nginx did not come up")


def known(authority: Authority, signer: Authority | None) -> ssl.SSLContext:
    """A client that trusts the authority, with a certificate of a signer."""
    context = ssl.create_default_context(cafile=str(authority.pem))
    if signer:
        context.load_cert_chain(*map(str, signer.issue("client")))
    return context


def test_the_documented_proxy_passes_on_whom_it_knows_and_nobody_else(stage: Stage, tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    with served(SHIELD) as behind, proxied(tmp_path, ours, behind) as front:
        assert ask(front, "POST", VIEW, body(), known(ours, ours))[0] == 200
        judged = len(stage.calls)
        assert judged
        for stranger in (others, None):
            assert ask(front, "POST", VIEW, body(), known(ours, stranger))[0] == 400
        assert len(stage.calls) == judged, "what the proxy refuses does not reach the service"


def test_a_body_that_the_service_takes_the_proxy_takes(stage: Stage, tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")
    with served(SHIELD) as behind, proxied(tmp_path, ours, behind) as front:
        large = body() + b" " * (9 * 1024 * 1024)
        assert ask(front, "POST", VIEW, large, known(ours, ours))[0] == 200
        assert ask(front, "POST", VIEW, body() + b" " * (11 * 1024 * 1024), known(ours, ours))[0] == 413
