"""The least a CDS service can do on the same server stack: decode the body, answer one constant card."""

from __future__ import annotations

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

CARD = orjson.dumps(
    {"cards": [{"summary": "A constant card", "indicator": "info", "detail": "x" * 2000, "source": {"label": "stub"}}]}
)


async def answer(request: Request) -> Response:
    orjson.loads(await request.body())
    return Response(CARD, media_type="application/json")


app = Starlette(routes=[Route("/cds-services/{id}", answer, methods=["POST"])])
