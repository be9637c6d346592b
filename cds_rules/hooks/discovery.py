"""The services we offer, one for each hook, and the discovery document.

Flows in: the packs' tables (for the codes in the prefetch templates). Flows out: the body of GET /cds-services.
Floor: hooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_rules.hooks.prefetch import Rows, templates
from cds_rules.vocabulary.frozen import Frozen

VERSION = "2.0.1"
"""The version of CDS Hooks that we implement."""


class Service(Frozen, frozen=True):
    """One entry of discovery; its id is part of a client's configuration and never changes."""

    id: str
    hook: str
    title: str
    description: str
    hook_version: str = "1.0"


_ABOUT = "magnesium when the kidneys are impaired or the dose is high, high magnesium levels, and cramps or muscle symptoms that may come from a diuretic or a statin"

SERVICES: tuple[Service, ...] = (
    Service(
        "magnesium-cramps-patient-view",
        "patient-view",
        "Magnesium safety and muscle cramps: chart review",
        f"When a chart is opened: cards about {_ABOUT}, from the active medications, results, problems and symptoms of the patient.",
    ),
    Service(
        "magnesium-cramps-order-select",
        "order-select",
        "Magnesium safety and muscle cramps: order being written",
        f"When an order is being written: cards about {_ABOUT}, as far as the selected drafts take part in it. Without selections there is no card.",
    ),
    Service(
        "magnesium-cramps-order-sign",
        "order-sign",
        "Magnesium safety and muscle cramps: before signing",
        f"Before orders are signed: cards about {_ABOUT}, as far as one of the drafts takes part in it.",
    ),
    Service(
        "magnesium-cramps-encounter-start",
        "encounter-start",
        "Magnesium safety and muscle cramps: beginning of a visit or stay",
        f"When a visit or stay begins: cards about {_ABOUT}, from what the patient comes with.",
    ),
    Service(
        "magnesium-cramps-encounter-discharge",
        "encounter-discharge",
        "Magnesium safety and muscle cramps: discharge",
        f"Before a patient leaves: cards about {_ABOUT}, as far as they concern what goes on at home.",
    ),
    Service(
        "magnesium-cramps-medication-refill",
        "medication-refill",
        "Magnesium safety and muscle cramps: refill",
        f"When a refill is asked for: cards about {_ABOUT}, as far as what is refilled takes part in it.",
        "0.1",
    ),
)

USAGE = (
    "Send FHIR R4. What a prefetch key does not deliver cannot be judged: the answer then is 412 with the keys that are missing, or cards that say what was not assessed. "
    "An empty list of cards means that every rule was judged and none applies. Advice to a licensed prescriber; not a medical device."
)


def service_at(identity: str) -> Service | None:
    """The service with this id."""
    return next((service for service in SERVICES if service.id == identity), None)


def service_for(hook: str) -> Service | None:
    """The service of this hook."""
    return next((service for service in SERVICES if service.hook == hook), None)


def discovery(tables: Mapping[str, Rows]) -> dict[str, Any]:
    """The discovery document."""
    prefetch = templates(tables)
    return {
        "services": [
            {
                "hook": service.hook,
                "title": service.title,
                "description": service.description,
                "id": service.id,
                "prefetch": prefetch,
                "usageRequirements": USAGE,
                "version": VERSION,
                "hookVersion": service.hook_version,
            }
            for service in SERVICES
        ]
    }
