"""Makes `fhir_samples/` from its `patients.yaml`: `python -m tests.samples` writes the request and the bundle of each case,
and, when told `--accept`, the cards that come out now as those that must come out.

Flows in: the sample patients in the words of the vignettes. Flows out: a folder a case with request.json, bundle.json (for
people and clients) and cards.yaml (what replay compares with).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from tests.vignettes.render import Rendered, render

FOLDER = Path(__file__).parents[1] / "fhir_samples"


def samples() -> Iterator[tuple[dict[str, Any], datetime, Rendered]]:
    """Each sample patient with the instant of its evaluation and its record."""
    told = YAML(typ="safe", pure=True).load(FOLDER / "patients.yaml")
    for patient in told["vignettes"]:
        yield patient, told["at"], render(patient, patient["style"], told["at"])


def files(rendered: Rendered) -> dict[str, str]:
    """The text of the request and the bundle of one sample, by file name."""
    return {
        "request.json": json.dumps(rendered.request, indent=2, ensure_ascii=False) + "\n",
        "bundle.json": json.dumps(rendered.bundle, indent=2, ensure_ascii=False) + "\n",
    }


def expected(patient: dict[str, Any], at: datetime, cards: list[dict[str, Any]]) -> str:
    """Golden cards in a form that people read: what a clinician sees, and what a client may do."""

    def shown(card: dict[str, Any]) -> dict[str, Any]:
        return {
            "rule": card["extension"]["dev.cds-rules.finding"]["rule"],
            "indicator": card["indicator"],
            "summary": card["summary"],
            "detail": LiteralScalarString(card.get("detail", "")),
            "suggestions": [one["label"] for one in card.get("suggestions", ())],
            "overrides": [one["code"] for one in card.get("overrideReasons", ())],
        }

    yaml = YAML()
    yaml.width = 1000
    stream = StringIO()
    told = {"title": patient["title"], "at": at.isoformat(), "hook": patient["hook"]}
    yaml.dump(told | {"cards": [shown(card) for card in cards]}, stream)
    return stream.getvalue()


def answer(knowledge: Any, request: dict[str, Any], at: datetime) -> tuple[int, dict[str, Any]]:
    """Status and body that the service gives to a request."""
    from cds_rules.hooks.discovery import service_for
    from cds_rules.hooks.response import answer as respond

    service = service_for(request["hook"])
    assert service is not None
    given = respond(knowledge, service, json.dumps(request).encode(), at=at)
    return given.status, json.loads(given.content())


def main() -> None:
    import cds_rules

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--accept", action="store_true", help="take the cards that come out now as those that must come out"
    )
    accept = parser.parse_args().accept
    knowledge = cds_rules.load_packs() if accept else None
    for patient, at, rendered in samples():
        folder = FOLDER / patient["id"]
        folder.mkdir(exist_ok=True)
        for name, text in files(rendered).items():
            (folder / name).write_text(text, "utf-8")
        if accept:
            status, body = answer(knowledge, rendered.request, at)
            if status != 200:
                raise SystemExit(f"{patient['id']}: status {status}: {json.dumps(body)[:500]}")
            (folder / "cards.yaml").write_text(expected(patient, at, body["cards"]), "utf-8")


if __name__ == "__main__":
    main()
