"""The service's metrics, in a registry of its own."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from ncf.serving.http.live import Live

PATHS = ("/recommendations", "/healthz", "/version", "/metrics")
OTHER = "other"  # one label for all other paths, or clients could make as many as they like
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Measured:
    """Counts and times what is asked.

    Args:
        live: what serves.
    """

    def __init__(self, live: Live) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "ncf_requests", "Requests answered", ["path", "method", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "ncf_request_seconds",
            "Seconds from a request's arrival to its answer",
            ["path"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._answers = Counter("ncf_answers", "Lists recommended, by their source", ["source"], registry=self.registry)
        self.registry.register(_OfLive(live))

    def request(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        name = path if path in PATHS else OTHER
        self._requests.labels(name, method if method in ("GET", "POST") else OTHER, str(status)).inc()
        self._seconds.labels(name).observe(seconds)

    def answer(self, source: str) -> None:
        """Count a recommended list."""
        self._answers.labels(source).inc()


class _OfLive(Collector):
    """What is read off the model that serves, at the moment of asking."""

    def __init__(self, live: Live) -> None:
        self._live = live

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        live = self._live
        values = {
            "ncf_model_version": ("Version of the registered model that serves", live.current.version),
            "ncf_model_loaded_seconds": ("When it was loaded, in seconds since 1970", live.current.loaded.timestamp()),
            "ncf_model_swaps": ("Models swapped in since the start", live.swaps),
            "ncf_problem": ("1 while the newest champion can't be found or can't serve", int(live.problem is not None)),
        }
        for name, (text, value) in values.items():
            yield GaugeMetricFamily(name, text, value=value)
