"""One worker process: its settings, its context, its broker. Dramatiq calls `setup` in each process after the fork."""

import atexit
import gc
import sys
from threading import Event, Lock
from typing import Final

import dramatiq
import structlog

from worker import logs, metrics
from worker.amazon.client import Amazon
from worker.broker.broker import FeedlineBroker
from worker.broker.publisher import Publisher
from worker.broker.topology import WORK
from worker.clock import Chance, Clock
from worker.conductor import Conductor
from worker.context import Context
from worker.core.ids import FeedId
from worker.core.kinds import Kind
from worker.core.states import FeedState
from worker.database import Database
from worker.middleware import ActorMetrics, Conducting, Deadline, EndingWithParent, Serving
from worker.settings import Settings

log = structlog.get_logger()

stopping: Final = Event()
"""Set when the worker was asked to stop: whoever waits for something gives up."""

_context: Context | None = None
_lock: Final = Lock()


def build(settings: Settings, *, application_name: str = "feedline worker") -> Context:
    """Return a context. Nothing is connected before its first use."""
    database = Database(settings.database_url.get_secret_value(), application_name=application_name)
    vault, clock, chance = settings.vault(), Clock(), Chance()
    amazon = Amazon(settings, database, vault, clock, chance, observe=metrics.spapi_call, throttled=metrics.throttled)
    return Context(settings, database, vault, amazon, Publisher(settings.amqp_urls()), clock, chance)


def tune_the_interpreter() -> None:
    """Let Python look for garbage less often: a feed makes hundreds of thousands of objects, hardly any in cycles.

    The values that go through staging, cutting and settling are trees, so that their structs say `gc=False`, and are not looked at.
    Watching them took 7 % of cutting and settling a large feed.

    And let threads take turns sooner: one that reads from a socket gives up the interpreter for every few kilobytes, and would
    wait each time for as long as another one may compute.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    sys.setswitchinterval(0.001)


def context() -> Context:
    """Return the process's context."""
    global _context
    with _lock:
        if _context is None:
            _context = build(Settings.load())
            atexit.register(_context.database.close)
        return _context


def setup() -> None:
    """Make the broker, and the actors that hang on it."""
    ctx = context()
    logs.configure(ctx.settings.log_format, ctx.settings.log_level)
    middleware = [
        Serving(),
        EndingWithParent(ctx.clock),
        ActorMetrics(ctx.clock),
        Conducting(_conductor, WORK, stopping),
        Deadline(ctx.clock, ctx.settings.drain_seconds),
    ]
    broker = FeedlineBroker(ctx.settings, middleware, ctx.clock)
    dramatiq.set_broker(broker)
    import actors.inventory
    import actors.listings
    import actors.shipments
    import actors.work  # noqa: F401

    tune_the_interpreter()


def _conductor() -> Conductor:
    return Conductor(context(), _Wake(), stopping)


class _Wake:
    """Sends wake-ups to the actors of `feedline.work`."""

    def cut(self, connection_id: int, kind: Kind) -> None:
        from actors import work

        work.cut_feed.send(connection_id, str(kind))

    def feed(self, feed_id: FeedId, state: FeedState) -> None:
        from actors import work

        work.FOR_STATE[state].send(feed_id)

    def link(self, connection_id: int) -> None:
        from actors import work

        work.link_listings.send(connection_id)

    def probe(self, connection_id: int) -> None:
        from actors import work

        work.probe_authorization.send(connection_id)

    def run(self, run_id: int) -> None:
        from actors import work

        work.take_run_steps.send(run_id)

    def announce(self) -> None:
        from actors import work

        work.announce_events.send()

    def keep_house(self) -> None:
        from actors import work

        work.keep_house.send()
