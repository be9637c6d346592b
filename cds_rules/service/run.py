"""Starting the service: `serve` for the command line, `main` for `python service.py`.

Floor: edge (service).
"""

from __future__ import annotations

import copy
import os
import sys
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from cds_rules.service.app import create_app
from cds_rules.service.settings import PREFIX, Settings
from cds_rules.vocabulary.errors import CdsRulesError


def serve(host: str = "127.0.0.1", port: int = 8000, workers: int = 1) -> None:
    """Serve until stopped; other settings come from the environment.

    Raises:
        CdsRulesError: the packs or the settings cannot be used (with one worker; several each say so themselves).
    """
    settings = Settings.from_environment(
        os.environ | {f"{PREFIX}HOST": host, f"{PREFIX}PORT": str(port), f"{PREFIX}WORKERS": str(workers)}
    )
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "access_log": False,  # it would hold query strings; we log each call ourselves
        "server_header": False,
        "log_config": _log_config(),
        "lifespan": "on",
    }
    if settings.workers == 1:
        uvicorn.run(create_app(settings=settings), **options)
    else:
        uvicorn.run("cds_rules.service.app:create_app", factory=True, workers=settings.workers, **options)


def main() -> None:
    """`python service.py`: everything from the environment; a mistake is said and ends the process with 1."""
    try:
        settings = Settings.from_environment()
        serve(settings.host, settings.port, settings.workers)
    except CdsRulesError as error:
        sys.exit(str(error))


def _log_config() -> dict[str, Any]:
    """uvicorn's own logging with our logger beside it."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    config["loggers"]["cds_rules"] = {"handlers": ["default"], "level": "INFO", "propagate": False}
    return config
