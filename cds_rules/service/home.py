"""The page at `/`: what this is, its services, and their prefetch queries in a form that can be copied by hand.

Flows in: the discovery document, samples. Flows out: one HTML page. Floor: edge (service).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from string import Template
from typing import Any

from cds_rules.hooks.prefetch import QUERIES
from cds_rules.service.samples import Sample

SHOWN = "mg-oral-severe-ckd"
"""The sample that the page sends, as the README does."""

_SHELL = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: .875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { padding: .75rem; border: 1px solid; border-radius: .375rem; white-space: pre-wrap; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .375rem .5rem; border-bottom: 1px solid; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
$body
</main>
</body>
</html>
"""
)
_BODY = Template(
    """<p>Clinical decision support over CDS Hooks: magnesium and kidneys, and cramps that may come from a diuretic or a statin.
Not a medical device and not signed off for patient care.</p>
<h2>Services</h2>
<p>Discovery: <a href="cds-services">/cds-services</a>. OpenAPI: <a href="openapi.json">/openapi.json</a>.
Running: <a href="healthz">/healthz</a>, <a href="readyz">/readyz</a>.
The page of each service has its queries, scopes, cards and codes.</p>
<dl>$services</dl>
$samples
<h2>Prefetch</h2>
<p>The same for each service; for clients that are configured by hand. A key marked "adds" may be left out: many servers do not have it.
Without any of the others some rules cannot be judged, and the answer says which.</p>
<table>
<thead><tr><th scope="col">key</th><th scope="col">asks for</th><th scope="col">query</th></tr></thead>
<tbody>$queries</tbody>
</table>"""
)


def shell(title: str, body: str) -> str:
    """A whole page around a body of HTML."""
    return _SHELL.substitute(title=escape(title), body=body)


def page(discovery: Mapping[str, Any], samples: Iterable[Sample]) -> str:
    """The whole page."""
    services = discovery["services"]
    queries = {query.key: query for query in QUERIES}
    shown = list(samples)
    body = _BODY.substitute(
        services="".join(
            f'<dt><a href="docs/{escape(each["id"])}"><code>{escape(each["id"])}</code></a></dt><dd>{escape(each["description"])}</dd>'
            for each in services
        ),
        samples=_samples(shown) if shown else "",
        queries="".join(
            f"<tr><td><code>{escape(key)}</code>{'' if queries[key].required else ' (adds)'}</td><td>{escape(queries[key].asks)}</td><td><code>{escape(template)}</code></td></tr>"
            for key, template in services[0]["prefetch"].items()
        ),
    )
    return shell("cds-rules", body)


def _samples(samples: list[Sample]) -> str:
    first = next((each for each in samples if each.name == SHOWN), samples[0])
    lines = "".join(
        f'<li><a href="samples/{escape(each.name)}.json">{escape(each.name)}</a> for {escape(each.service)}</li>'
        for each in samples
    )
    command = f"curl -s http://127.0.0.1:8000/samples/{first.name}.json | curl -s -H 'Content-Type: application/json' -d @- http://127.0.0.1:8000/cds-services/{first.service}"
    return f"<h2>Samples</h2><p>Invented patients. A service that heeds the instant named in a request judges them as of a fixed day, else as of now.</p><ul>{lines}</ul><pre>{escape(command)}</pre>"
