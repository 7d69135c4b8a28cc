"""What /metrics shows: the instance's processes added up, and the fleet's state as Postgres has it."""

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from worker import logs
from worker.clock import Clock
from worker.metrics import CATALOGUE, Kind, Metric, Source, scrape_failed, start_at_zero
from worker.store.gauges import Reading
from worker.version import version

ANSWER_WITHIN_SECONDS: Final = 1
"""How long a scrape waits for Postgres. A slower answer is shown by the next scrape."""

FRESH_SECONDS: Final = 5
REST_FACTOR: Final = 20
"""Counting a large backlog takes its time: after a question that took t, the next comes 20 t later, so that it costs at most 5 %."""

STALE_SECONDS: Final = 60
"""Older readings are not shown: no value is better than a wrong one."""

log = logs.get_logger(__name__)


def registry(folder: Path, fleet: "FleetCollector") -> CollectorRegistry:
    """Return what /metrics exposes. *folder*: the instance's PROMETHEUS_MULTIPROC_DIR."""
    start_at_zero()
    made = CollectorRegistry(auto_describe=False)
    made.register(_Processes(folder))
    made.register(fleet)
    return made


class _Processes(Collector):
    """The processes of this instance. Metrics that nobody has touched yet are there by name, so that they can be found."""

    def __init__(self, folder: Path) -> None:
        self._collector = MultiProcessCollector(None, str(folder))  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Family]:
        seen = set()
        for family in self._collector.collect():  # type: ignore[no-untyped-call]
            seen.add(family.name)
            yield family
        for metric in CATALOGUE.values():
            if metric.source is Source.PROCESS and metric.name.removesuffix("_total") not in seen and metric.name != "feedline_build_info":
                yield _family(metric)
        build = _family(CATALOGUE["feedline_build_info"])
        build.add_sample("feedline_build_info", {"version": version()}, 1)
        yield build


class FleetCollector(Collector):
    """The fleet's state. A slow or absent Postgres neither delays nor breaks a scrape: its metrics are then absent."""

    def __init__(self, read: Callable[[], Iterable[Reading]], clock: Clock) -> None:
        self._read, self._clock = read, clock
        self._lock = threading.Lock()
        self._readings: list[Reading] = []
        self._read_at = self._next_at = float("-inf")
        self._asking: threading.Thread | None = None

    def collect(self) -> Iterator[Family]:
        self._refresh()
        with self._lock:
            readings = self._readings if self._clock.monotonic() - self._read_at <= STALE_SECONDS else []
        families = {name: _family(metric) for name, metric in CATALOGUE.items() if metric.source is Source.DATABASE}
        for reading in readings:
            metric = CATALOGUE[reading.name]
            families[reading.name].add_sample(reading.name, dict(zip(metric.labels, reading.labels, strict=True)), reading.value)
        yield from families.values()

    def _refresh(self) -> None:
        with self._lock:
            if self._asking is None and self._clock.monotonic() >= self._next_at:
                self._asking = threading.Thread(target=self._ask, name="fleet metrics", daemon=True)
                self._asking.start()
            asking = self._asking
        if asking is not None:
            asking.join(ANSWER_WITHIN_SECONDS)

    def _ask(self) -> None:
        began = self._clock.monotonic()
        try:
            readings = list(self._read())
        except Exception:  # whatever it is, the other metrics go on
            readings = None
            scrape_failed()
            log.warning("fleet_metrics_not_read", exc_info=True)
        ended = self._clock.monotonic()
        with self._lock:
            if readings is not None:
                self._readings, self._read_at = readings, ended
            elif ended - self._read_at > FRESH_SECONDS:
                self._readings = []
            self._next_at = ended + max(FRESH_SECONDS, REST_FACTOR * (ended - began))
            self._asking = None


def _family(metric: Metric) -> Family:
    match metric.kind:
        case Kind.COUNTER:
            return CounterMetricFamily(metric.name, metric.help)
        case Kind.GAUGE:
            return GaugeMetricFamily(metric.name, metric.help)
        case Kind.HISTOGRAM:
            return HistogramMetricFamily(metric.name, metric.help)
