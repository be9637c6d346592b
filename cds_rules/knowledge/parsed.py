"""What YAML files held, kept beside them as Python keeps its compiled modules: parsing them is half of a start.

An entry lies in `__pycache__` (or below `sys.pycache_prefix`), holds plain JSON, and is used only while the digest in it is
that of the file's bytes and of the parser: it is never stale, and needs no clock. Where nothing may be written nothing is
kept, and several processes that start at once write the same.
Flows in: a path and the bytes it holds now. Flows out: the document, or None. Floor: knowledge; an edge like `read_yaml`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from datetime import date
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

_DAY = "$day"


def recall(path: Path, raw: bytes, parser: str) -> Any:
    """The document of a file as it was parsed before; None when these bytes were not, by this parser."""
    try:
        kept = json.loads(_place(path).read_bytes(), object_hook=_dated)
    except (OSError, ValueError, RecursionError):
        return None
    return kept.get("document") if isinstance(kept, dict) and kept.get("of") == _digest(raw, parser) else None


def keep(path: Path, raw: bytes, parser: str, document: object) -> None:
    """Keep a document, if plain JSON gives it back as it is and its place can be written."""
    if sys.dont_write_bytecode:
        return
    with contextlib.suppress(OSError, TypeError, ValueError):
        text = json.dumps({"of": _digest(raw, parser), "document": document}, default=_plain)
        if json.loads(text, object_hook=_dated)["document"] != document:
            return
        place = _place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_suffix(f".{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(place)  # whole or not at all: another process may read it now


def _place(path: Path) -> Path:
    return Path(cache_from_source(str(path.absolute()))).with_suffix(".json")


def _digest(raw: bytes, parser: str) -> str:
    return hashlib.sha256(f"{parser}\n".encode() + raw).hexdigest()


def _plain(value: object) -> dict[str, str]:
    if type(value) is date:
        return {_DAY: value.isoformat()}
    raise TypeError


def _dated(value: dict[str, Any]) -> Any:
    return date.fromisoformat(value[_DAY]) if value.keys() == {_DAY} else value
