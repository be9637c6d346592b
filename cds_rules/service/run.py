"""Starting the service: `serve` for the command line, `main` for `python service.py`.

Floor: edge (service).
"""

from __future__ import annotations

import copy
import os
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from cds_rules.service.app import create_app
from cds_rules.service.configuration import CONFIG, PREFIX, read_settings
from cds_rules.service.settings import Settings
from cds_rules.vocabulary.errors import CdsRulesError


def serve(config: Path | None = None, given: Mapping[str, Any] | None = None, check: bool = False) -> None:
    """Serve until stopped.

    Args:
        config: TOML file; None: what CDS_RULES_CONFIG names. given: settings of the command line by variable without prefix.
        check: read settings and packs, and say that they are fit, instead.

    Raises:
        CdsRulesError: the packs or the settings cannot be used.
    """
    settings = read_settings(config, given=given)
    app = create_app(settings=settings)
    if check:
        print(f"{settings.mode}: settings and packs are fit to start")
        return
    if settings.server.workers == 1:
        uvicorn.run(app, **_options(settings))
        return
    # a worker reads its settings itself: it gets what the command line said the way it gets the rest
    os.environ |= {f"{PREFIX}{name}": str(value) for name, value in (given or {}).items()}
    if config:
        os.environ[CONFIG] = str(config)
    uvicorn.run("cds_rules.service.app:create_app", factory=True, workers=settings.server.workers, **_options(settings))


def main() -> None:
    """`python service.py`: everything from file and environment; a mistake is said and ends the process with 1."""
    try:
        serve()
    except CdsRulesError as error:
        sys.exit(str(error))


def _options(settings: Settings) -> dict[str, Any]:
    """What the server is told."""
    server = settings.server
    return {
        "host": server.host,
        "port": server.port,
        "access_log": False,  # it would hold query strings; we log each call ourselves
        "server_header": False,
        "log_config": _log_config(),
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


def _log_config() -> dict[str, Any]:
    """uvicorn's own logging with our logger beside it."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    config["loggers"]["cds_rules"] = {"handlers": ["default"], "level": "INFO", "propagate": False}
    return config
