"""Fetching key sets through the guarded client: from listed addresses alone, without redirects, counted by outcome.

Floor: edge (service).
"""

from __future__ import annotations

import logging

from cds_rules.service.addresses import Reach, read_place
from cds_rules.service.keys import KeySetError, KeySets
from cds_rules.service.logs import log
from cds_rules.service.metrics import Metrics
from cds_rules.service.outbound import JSON, Bounds, Outbound, OutboundError
from cds_rules.service.settings import Settings
from cds_rules.service.tokens import PUBLIC_SANDBOX

BOUNDS = Bounds(seconds=2.5, size=256 * 1024, redirects=0, types=(*JSON, "application/jwk-set+json"))


def key_sets(settings: Settings, outbound: Outbound, metrics: Metrics) -> KeySets:
    """The key sets of all issuers that are trusted."""
    trust = settings.trust
    listed = [address for issuer in (*trust.issuers, PUBLIC_SANDBOX) for address in issuer.jku]

    async def get(address: str) -> bytes:
        if address not in listed:
            raise KeySetError("its address is not on the list")
        try:
            reply = await outbound.get(
                read_place(address), Reach.read([address], trust.private_networks), bounds=BOUNDS
            )
        except OutboundError as error:
            metrics.fetches.labels("keys", error.kind).inc()
            log(logging.WARNING, "key set not read", address=address, because=str(error))
            raise
        metrics.fetches.labels("keys", "read" if reply.status == 200 else "status").inc()
        if reply.status != 200:
            log(logging.WARNING, "key set not read", address=address, status=reply.status)
            raise KeySetError("its address does not answer with a key set")
        return reply.body

    return KeySets(get, trust.key_cache_seconds, trust.key_refetch_seconds)
