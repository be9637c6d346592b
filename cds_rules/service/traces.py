"""Traces of requests, when a collector is configured: a span a request, one a stage; a caller's traceparent is taken over.

Attributes hold the endpoint, the status, counts and the correlation hash, never anything of a patient. An error is marked
by its type, without message. Floor: edge (service). The only door to opentelemetry, which is an extra.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from cds_rules.service.settings import Settings
from cds_rules.vocabulary.errors import CdsRulesError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter


class Traces(Protocol):
    """Where requests and their stages are told."""

    def request(self, endpoint: str, headers: Mapping[str, str]) -> AbstractContextManager[dict[str, Any]]:
        """A request; what is put into the mapping becomes its attributes at the end."""

    def stage(self, name: str, clock: AbstractContextManager[object]) -> AbstractContextManager[object]:
        """A stage of the request that is under way. clock: what times it whether it is traced or not."""

    def close(self) -> None:
        """Send what waits to be sent."""


class NoTraces:
    """Nothing is traced."""

    def request(self, endpoint: str, headers: Mapping[str, str]) -> AbstractContextManager[dict[str, Any]]:
        """Nothing."""
        return nullcontext({})

    def stage(self, name: str, clock: AbstractContextManager[object]) -> AbstractContextManager[object]:
        """The clock alone."""
        return clock

    def close(self) -> None:
        """Nothing."""


class Spans:
    """OpenTelemetry spans.

    Args:
        exporter: None: to the collector of the settings, in the background.
    """

    def __init__(self, settings: Settings, exporter: SpanExporter | None = None) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "cds-rules"}),
            sampler=ParentBased(TraceIdRatioBased(settings.telemetry.traces_share)),
        )
        self._provider.add_span_processor(
            SimpleSpanProcessor(exporter) if exporter else BatchSpanProcessor(_exporter(settings))
        )
        self._tracer = self._provider.get_tracer("cds_rules")
        self._propagator = TraceContextTextMapPropagator()
        self._server = SpanKind.SERVER
        self._failed = Status(StatusCode.ERROR)

    @contextmanager
    def request(self, endpoint: str, headers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """A server span below the caller's, if it named one."""
        told: dict[str, Any] = {}
        # tracestate is not taken over: it is free text of whoever calls
        parent = self._propagator.extract({"traceparent": headers.get("traceparent", "")})
        with self._tracer.start_as_current_span(
            endpoint, context=parent, kind=self._server, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield told
            finally:
                span.set_attributes(told)
                if told.get("http.response.status_code", 500) >= 500:
                    span.set_status(self._failed)

    @contextmanager
    def stage(self, name: str, clock: AbstractContextManager[object]) -> Iterator[None]:
        """A span below the one of the request."""
        spanned = self._tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False)
        with clock, spanned as span:
            try:
                yield
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                raise

    def close(self) -> None:
        """Send what waits to be sent."""
        self._provider.shutdown()


def _exporter(settings: Settings) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=f"{settings.telemetry.traces_endpoint}/v1/traces")


def traces(settings: Settings) -> Traces:
    """What the settings ask for.

    Raises:
        CdsRulesError: a collector is configured, and what would talk to it is not installed.
    """
    if settings.telemetry.traces_endpoint is None:
        return NoTraces()
    try:
        return Spans(settings)
    except ModuleNotFoundError as error:
        raise CdsRulesError(
            f"telemetry.traces_endpoint: found an address, and {error.name} is not installed; `pip install 'cds-rules[tracing]'` brings it"
        ) from None
