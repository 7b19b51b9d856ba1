"""The service's metrics, in a registry of its own."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from ncf.serving.http.live import Live

PATHS = ("/recommendations", "/healthz", "/version", "/metrics")
OTHER = "other"  # one label for all other paths, so that clients can't create any number of them
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class ServiceMetrics:
    """Counts and times requests.

    Args:
        live: the model that answers.
    """

    def __init__(self, live: Live) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "ncf_requests", "Requests answered", ["path", "method", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "ncf_request_seconds",
            "Seconds from the arrival of a request to its answer",
            ["path"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._answers = Counter("ncf_answers", "Lists recommended, by source", ["source"], registry=self.registry)
        self.registry.register(_LiveModel(live))

    def count_request(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        name = path if path in PATHS else OTHER
        self._requests.labels(name, method if method in ("GET", "POST") else OTHER, str(status)).inc()
        self._seconds.labels(name).observe(seconds)

    def count_answer(self, source: str) -> None:
        """Count a recommended list."""
        self._answers.labels(source).inc()


class _LiveModel(Collector):
    """Gauges of the model that answers, read when Prometheus collects them."""

    def __init__(self, live: Live) -> None:
        self._live = live

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        live = self._live
        values = {
            "ncf_model_version": ("Version of the registered model that answers", live.current.version),
            "ncf_model_loaded_seconds": (
                "When the model was loaded, in seconds since 1970",
                live.current.loaded.timestamp(),
            ),
            "ncf_model_swaps": ("Models swapped in since the start", live.swaps),
            "ncf_problem": ("1 while the newest champion can't be found or loaded", int(live.problem is not None)),
        }
        for name, (text, value) in values.items():
            yield GaugeMetricFamily(name, text, value=value)
