"""Starting the service: `serve` for the command line, `main` for `python service.py`.

Floor: edge (service).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import ssl
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from cds_rules.service.configuration import CONFIG, PREFIX, read_settings
from cds_rules.service.logs import configuration
from cds_rules.service.protocol import PromptHeads
from cds_rules.service.settings import Settings
from cds_rules.vocabulary.errors import CdsRulesError

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client learns, when a worker imports it, that there are several processes."""


def serve(config: Path | None = None, given: Mapping[str, Any] | None = None, check: bool = False) -> None:
    """Serve until stopped.

    Args:
        config: TOML file; None: what CDS_RULES_CONFIG names. given: settings of the command line by variable without prefix.
        check: read settings and packs, and say that they are fit, instead.

    Raises:
        CdsRulesError: the packs or the settings cannot be used.
    """
    settings = read_settings(config, given=given)
    if check:
        _application(settings)
        print(f"{settings.mode}: settings and packs are fit to start")
    elif settings.server.workers == 1:
        uvicorn.run(_application(settings), **options(settings))
    else:
        # a worker reads its settings itself: it gets what the command line said the way it gets the rest
        os.environ |= {f"{PREFIX}{name}": str(value) for name, value in (given or {}).items()}
        if config:
            os.environ[CONFIG] = str(config)
        with tempfile.TemporaryDirectory(prefix="cds-rules-metrics-") as folder:
            os.environ[FOLDER] = folder
            _supervise(
                uvicorn.Config(f"{__name__}:worker", factory=True, workers=settings.server.workers, **options(settings))
            )


def worker() -> Starlette:
    """The application of one of several workers; a mistake is said once, and ends all of them."""
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        return _application(None)
    except CdsRulesError as error:
        print(error, file=sys.stderr)
        sys.exit(STARTUP_FAILURE)


def _end_with_parent() -> None:
    """Stop in order when the process that watches over the workers is gone: nobody would replace or stop them any more."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _application(settings: Settings | None) -> Starlette:
    from cds_rules.service.app import create_app  # the process that only watches over workers needs none of it

    return create_app(settings=settings)


def _supervise(config: uvicorn.Config) -> None:
    """Start the workers and replace those that die, until stopped."""
    supervisor = Multiprocess(config, sockets=[config.bind_socket()])
    supervisor.run()
    if any(each.exitcode == STARTUP_FAILURE for each in supervisor.processes):
        sys.exit(1)


def main() -> None:
    """`python service.py`: everything from file and environment; a mistake is said and ends the process with 1."""
    try:
        serve()
    except CdsRulesError as error:
        sys.exit(str(error))


def options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told."""
    server = settings.server
    return {
        "host": server.host,
        "port": server.port,
        "access_log": False,  # it would hold query strings; we log each call ourselves
        "server_header": False,
        "log_config": configuration(
            settings.telemetry.log_format or ("json" if settings.production else "text"), settings.telemetry.log_level
        ),
        "http": partial(PromptHeads, head_seconds=server.header_seconds),
        "ws": "none",
        "lifespan": "on",
        "proxy_headers": bool(server.trusted_proxies),
        "forwarded_allow_ips": ",".join(server.trusted_proxies) or None,
        "timeout_keep_alive": server.keep_alive_seconds,
        "timeout_graceful_shutdown": server.grace_seconds,
        "timeout_worker_healthcheck": 30,  # a busy machine needs long to start a worker: it is not hung
        "ssl_certfile": server.certificate,
        "ssl_keyfile": server.certificate_key,
        "ssl_keyfile_password": server.certificate_password.get_secret_value() or None,
        "ssl_ca_certs": server.client_ca,
        "ssl_cert_reqs": ssl.CERT_REQUIRED if server.client_ca else ssl.CERT_NONE,
    }
