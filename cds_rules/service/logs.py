"""Logs: an event and its fields, as a JSON object a line in production, as words in development.

Fields are what the service knows of a call (status, counts, hashes, categories), never what it was sent. An exception is
told by type and place: its message may quote a record. Floor: edge (service).
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

LOGGER = logging.getLogger("cds_rules.service")
FIELDS = "cds_rules_fields"
Excinfo = tuple[type[BaseException], BaseException, TracebackType | None]


def log(level: int, event: str, **fields: object) -> None:
    """Tell an event; fields that are None are left out."""
    if not LOGGER.isEnabledFor(level):
        return
    told = {name: value for name, value in fields.items() if value is not None}
    words = " ".join((event, *(f"{name}={value}" for name, value in told.items())))
    LOGGER.log(level, "%s", words, extra={FIELDS: {"event": event, **told}})


def place_of(error: BaseException) -> str:
    """Type and place of an error; never its message, which may quote a record."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    place = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(error).__name__} at {place}"


class Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        told |= getattr(record, FIELDS, {})
        if record.exc_info and record.exc_info[1]:
            told["error"] = place_of(record.exc_info[1])
        return json.dumps(told, ensure_ascii=True, default=str)


class Words(logging.Formatter):
    """A line to be read."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging."""
        line = f"{record.levelname + ':':9} {record.getMessage()}"
        if record.exc_info and record.exc_info[1]:
            line += f" {place_of(record.exc_info[1])}"
        return line.replace("\r", " ").replace("\n", " ")


def configuration(form: Literal["json", "text"], level: str) -> dict[str, Any]:
    """For logging.config: everything, the server's own lines and other libraries' included, goes through our formatter."""
    formatter = Json if form == "json" else Words
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ours": {"()": f"{formatter.__module__}.{formatter.__name__}"}},
        "handlers": {"ours": {"class": "logging.StreamHandler", "formatter": "ours", "stream": "ext://sys.stderr"}},
        "root": {"handlers": ["ours"], "level": "WARNING"},
        "loggers": {
            "cds_rules": {"handlers": ["ours"], "level": level.upper(), "propagate": False},
            "uvicorn": {
                "handlers": ["ours"],
                "level": "INFO" if level == "debug" else level.upper(),
                "propagate": False,
            },
            "uvicorn.error": {"level": "INFO" if level == "debug" else level.upper()},
        },
    }
