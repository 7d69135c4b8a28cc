"""Metrics: the catalogue of all of them, and the functions by which steps count.

`CATALOGUE` is the one place where a metric is declared. Prometheus' multiprocess mode adds up the processes of one instance: the
command `worker` sets PROMETHEUS_MULTIPROC_DIR to a fresh folder before this module is imported. Steps count once a batch.
What is true of the whole fleet (pending, held, feeds, quota) is read from Postgres at scrape: `Source.DATABASE`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from prometheus_client import Counter, Gauge, Histogram

from worker.core.quota import PUBLISHED


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Source(StrEnum):
    """Who knows the value: each process, added up for the instance; or the database, the same for every instance."""

    PROCESS = "process"
    DATABASE = "database"


class Metric(NamedTuple):
    """`name` is as exposed, a counter's with `_total`. Labels come from closed sets or from configuration, never from data."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    source: Source = Source.PROCESS


_CALL_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TRANSACTION_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_ACCEPTANCE_SECONDS: Final = (30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)
_ACTOR_SECONDS: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120)

_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
_DB = Source.DATABASE

CATALOGUE: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        # In
        Metric("feedline_deliveries_total", _C, ("queue",), "Deliveries taken from a queue, repeats and invalid ones included."),
        Metric("feedline_staged_total", _C, ("type",), "Messages committed to the message log."),
        Metric("feedline_stage_seconds", _H, (), "Time to stage one batch of deliveries, to the commit.", _TRANSACTION_SECONDS),
        Metric("feedline_coalesced_total", _C, ("connection", "type"), "Messages folded into a change that was already pending."),
        # What became of them
        Metric("feedline_outcomes_total", _C, ("connection", "type", "outcome"), "Messages that reached their one outcome."),
        Metric("feedline_acceptance_seconds", _H, ("type",), "Time from publish to accepted.", _ACCEPTANCE_SECONDS),
        Metric(
            "feedline_carrier_conflicts_total",
            _C,
            ("profile",),
            "Shipments whose tracking number the other carrier profile reads otherwise, by the profile that decided.",
        ),
        # What waits
        Metric("feedline_pending_changes", _G, ("connection", "type"), "Changes that wait for a feed.", source=_DB),
        Metric(
            "feedline_oldest_pending_seconds", _G, ("connection", "type"), "Age of the oldest change that waits for a feed.", source=_DB
        ),
        Metric("feedline_held_changes", _G, ("connection", "reason"), "Changes kept back, by reason.", source=_DB),
        # Feeds
        Metric(
            "feedline_feeds",
            _G,
            ("connection", "feed_type", "state"),
            "Feeds by state; of those that ended, the ones cut today and yesterday.",
            source=_DB,
        ),
        Metric(
            "feedline_oldest_unfinished_feed_seconds",
            _G,
            ("connection", "feed_type"),
            "Age of the oldest feed that is not finished.",
            source=_DB,
        ),
        Metric(
            "feedline_feed_messages_total",
            _C,
            ("connection", "type"),
            "Feed messages cut into feeds, each by the type of its newest message.",
        ),
        # Amazon
        Metric("feedline_spapi_calls_total", _C, ("operation", "status"), "Calls to Amazon, by HTTP status; or no_connection, no_answer."),
        Metric("feedline_spapi_seconds", _H, ("operation",), "Time of one call to SP-API.", _CALL_SECONDS),
        Metric("feedline_throttled_total", _C, ("operation",), "Calls that Amazon answered with 429."),
        Metric("feedline_quota_tokens", _G, ("connection", "operation"), "Calls that the usage plan leaves now.", source=_DB),
        Metric(
            "feedline_quota_wait_seconds", _G, ("connection", "operation"), "Time until work that waits for a call gets one.", source=_DB
        ),
        Metric("feedline_authorization_ok", _G, ("connection",), "1 while the seller's authorisation is good, else 0.", source=_DB),
        # The fleet
        Metric("feedline_runs_total", _C, ("connection", "kind", "state"), "Runs of imports and order pulls that ended."),
        Metric(
            "feedline_orders_covered_seconds",
            _G,
            ("connection",),
            "Age of the newest instant up to which all updates of orders have been asked for; of connections that get them by schedule.",
            source=_DB,
        ),
        Metric("feedline_outbox_lag_seconds", _G, (), "Age of the oldest event that is not yet published.", source=_DB),
        Metric("feedline_leader", _G, (), "1 in the instance whose conductor leads, else 0."),
        Metric("feedline_build_info", _G, ("version",), "Always 1; the label names the version."),
        # Feedline itself
        Metric("feedline_actor_seconds", _H, ("actor",), "Time of one run of an actor.", _ACTOR_SECONDS),
        Metric("feedline_actor_errors_total", _C, ("actor",), "Runs of an actor that raised."),
        Metric("feedline_actors_running", _G, ("actor",), "Runs of an actor under way."),
        Metric("feedline_scrape_errors_total", _C, (), "Scrapes that could not ask Postgres; its metrics were then absent."),
    )
}

QUEUES: Final = ("feedline.listings", "feedline.inventory", "feedline.shipments")
TYPES: Final = ("inventory", "listing", "shipment")


def _counter(name: str) -> Counter:
    metric = CATALOGUE[name]
    assert metric.kind is Kind.COUNTER
    return Counter(name, metric.help, metric.labels, registry=None)


def _histogram(name: str) -> Histogram:
    metric = CATALOGUE[name]
    assert metric.kind is Kind.HISTOGRAM
    return Histogram(name, metric.help, metric.labels, buckets=metric.buckets, registry=None)


_deliveries = _counter("feedline_deliveries_total")
_staged = _counter("feedline_staged_total")
_coalesced = _counter("feedline_coalesced_total")
_outcomes = _counter("feedline_outcomes_total")
_acceptance = _histogram("feedline_acceptance_seconds")
_carrier_conflicts = _counter("feedline_carrier_conflicts_total")
_feed_messages = _counter("feedline_feed_messages_total")
_spapi_calls = _counter("feedline_spapi_calls_total")
_spapi_seconds = _histogram("feedline_spapi_seconds")
_throttled = _counter("feedline_throttled_total")
_runs = _counter("feedline_runs_total")
_scrape_errors = _counter("feedline_scrape_errors_total")
_leader = Gauge("feedline_leader", CATALOGUE["feedline_leader"].help, registry=None, multiprocess_mode="livemax")
_actor_seconds = _histogram("feedline_actor_seconds")
_actor_errors = _counter("feedline_actor_errors_total")
_actors_running = Gauge(
    "feedline_actors_running", CATALOGUE["feedline_actors_running"].help, ("actor",), registry=None, multiprocess_mode="livesum"
)

stage_seconds: Final = _histogram("feedline_stage_seconds")
"""`with stage_seconds.time(): ...` around one batch, or `stage_seconds.observe(seconds)`."""


def start_at_zero() -> None:
    """Show the counters whose labels are known at 0, so that a rate is right from the first event on."""
    for queue in QUEUES:
        _deliveries.labels(queue)
    for short_type in TYPES:
        _staged.labels(short_type)
        _acceptance.labels(short_type)
    for operation in PUBLISHED:
        _throttled.labels(operation)


def short(message_type: str) -> str:
    """Return the label of a message type: `inventory` for `feedline.inventory.v1`. What is none of ours is `unknown`."""
    for known in TYPES:
        if message_type == known or message_type.startswith(f"feedline.{known}."):
            return known
    return "unknown"


def deliveries(queue: str, n: int = 1) -> None:
    _deliveries.labels(queue).inc(n)


def staged(message_type: str, n: int = 1) -> None:
    _staged.labels(short(message_type)).inc(n)


def coalesced(connection: str, message_type: str, n: int = 1) -> None:
    _coalesced.labels(connection, short(message_type)).inc(n)


def outcomes(connection: str | None, message_type: str | None, outcome: str, n: int = 1) -> None:
    """*connection* is one that exists, or None: a name that an upstream made up must not become a label."""
    _outcomes.labels(connection or "", short(message_type or ""), outcome).inc(n)


def accepted_after(message_type: str, seconds: Iterable[float]) -> None:
    """Count accepted messages by the time since their publishing."""
    child = _acceptance.labels(short(message_type))
    for each in seconds:
        child.observe(each)


def carrier_conflicts(profile: str, n: int) -> None:
    _carrier_conflicts.labels(profile).inc(n)


def feed_messages(connection: str, message_type: str, n: int) -> None:
    _feed_messages.labels(connection, short(message_type)).inc(n)


def spapi_call(operation: str, status: str, seconds: float) -> None:
    """Count one exchange with Amazon. *status*: HTTP's code, `no_connection` or `no_answer`."""
    _spapi_calls.labels(operation, status).inc()
    _spapi_seconds.labels(operation).observe(seconds)


def throttled(operation: str) -> None:
    _throttled.labels(operation).inc()


def run_ended(connection: str, kind: str, state: str) -> None:
    _runs.labels(connection, kind, state).inc()


def leads(is_leader: bool) -> None:  # noqa: FBT001  # a gauge's value
    _leader.set(int(is_leader))


def actor_started(actor: str) -> None:
    _actors_running.labels(actor).inc()


def actor_ended(actor: str, seconds: float, *, failed: bool) -> None:
    _actors_running.labels(actor).dec()
    _actor_seconds.labels(actor).observe(seconds)
    if failed:
        _actor_errors.labels(actor).inc()


def scrape_failed() -> None:
    _scrape_errors.inc()
