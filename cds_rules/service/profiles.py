"""The profiles there are: those that are shipped, and those of the site.

Flows in: settings. Flows out: profiles by name. Floor: edge (service).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from cds_rules.hooks.profiles import SHIPPED, Profile, derived
from cds_rules.service.settings import Settings


def profiles_of(settings: Settings) -> Mapping[str, Profile]:
    """Every profile by name."""
    own = {
        name: derived(
            name,
            SHIPPED[change.base],
            {each.name: getattr(change, each.name) for each in fields(change) if each.name != "base"},
        )
        for name, change in settings.profiles.items()
    }
    return {**SHIPPED, **own}
