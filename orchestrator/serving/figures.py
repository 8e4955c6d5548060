"""What a service counts and times, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_PHOTOS = (1, 2, 4, 8, 16, 32, 64, 128)


class Figures:
    """Of one process that answers requests; members' seconds are those of their own processes."""

    def __init__(self) -> None:
        disable_created_metrics()  # a second line for each, with the time of its first count
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "ensemble_requests", "Requests to /predict, by HTTP status.", ["status"],
            registry=registry,
        )  # fmt: skip
        self.photos = Counter(
            "ensemble_photographs", "Photographs that were answered.", registry=registry
        )
        self.seconds = Histogram(
            "ensemble_request_seconds", "From the first byte of a request to its answer.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.decoding = Histogram(
            "ensemble_decode_seconds", "Decoding the photographs of a request.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.inside = Gauge(
            "ensemble_requests_inside", "Requests that are being answered.", registry=registry
        )
        self.waits = Histogram(
            "ensemble_member_wait_seconds",
            "From asking a member to its answer, waiting in its queue included.", ["member"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.forward = Counter(
            "ensemble_member_forward_seconds",
            "A member's own time for the photographs of requests, as their share of its batches.",
            ["member"], registry=registry,
        )  # fmt: skip
        self.batches = Histogram(
            "ensemble_member_batch_photographs",
            "Photographs in the batch in which a request was answered.", ["member"],
            buckets=_PHOTOS, registry=registry,
        )  # fmt: skip
        self.again = Counter(
            "ensemble_member_asked_again", "Requests whose replica died and that another answered.",
            ["member"], registry=registry,
        )  # fmt: skip

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
