"""A seller's shop for tests of the steps: a connection in Postgres, a seller at the simulator, and somebody who acts on wake-ups."""

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from ops.simulator.control import Simulator
from tests.eventually import eventually
from worker.connection_file import parse
from worker.context import Context
from worker.core.ids import FeedId
from worker.core.kinds import Kind
from worker.core.states import FeedState
from worker.core.wire import Delivery
from worker.steps import cut, link, probe, reconcile, run, settle, submit, watch
from worker.steps.conduct import conduct
from worker.steps.stage import stage
from worker.store import connections

Seen = TypeVar("Seen")

SELLER = "A1EXAMPLESELLER"
MARKETPLACE = "ATVPDKIKX0DER"
NAME = "US shop"


class Shop:
    """One connection. `publish` stages messages as a worker would; `run` lets the feeds go until nothing is due."""

    def __init__(self, ctx: Context, simulator: Simulator) -> None:
        self.ctx = ctx
        self.simulator = simulator
        self.numbers = itertools.count(1)
        self.hands = Hands(ctx)

    def connect(self, **entry: object) -> None:
        """Register the seller at the simulator, and apply the connection with further settings *entry*."""
        credentials = self.simulator.register_seller(
            SELLER,
            (MARKETPLACE,),
            client_id=self.ctx.settings.lwa_client_id,
            client_secret=self.ctx.settings.lwa_client_secret.get_secret_value(),
        )
        base = {
            "name": NAME,
            "marketplace_id": MARKETPLACE,
            "selling_partner_id": SELLER,
            "refresh_token": credentials.refresh_token,
        }
        text = json.dumps({"version": 1, "connections": [{**base, **entry}]})
        with self.ctx.database.begin() as tx:
            connections.apply(
                tx, self.ctx.vault, parse(text, environment={}, folder=Path()), default_client_id=self.ctx.settings.lwa_client_id
            )

    def lists(self, *skus: str, **item: object) -> None:
        """Put SKUs into Amazon's catalogue."""
        self.simulator.put_catalogue(SELLER, MARKETPLACE, [{"sku": sku, "product_type": "LUGGAGE", **item} for sku in skus])

    def at_amazon(self, sku: str) -> Mapping[str, Any]:
        item = self.simulator.catalogue(SELLER, MARKETPLACE)[sku]
        assert item is not None
        return item

    def publish(self, *messages: Mapping[str, Any], source: str = "erp") -> list[str]:
        """Stage one batch, of inventory messages unless they say; return their ids.

        `id`, `type`, `sequence`, `time`, `source` are attributes, the rest is data.
        """
        deliveries, ids = [], []
        for message in messages:
            data = dict(message)
            attributes: dict[str, Any] = {name: data.pop(name) for name in ("id", "type", "sequence", "time", "source") if name in data}
            attributes = {
                "specversion": "1.0",
                "type": "feedline.inventory.v1",
                "id": f"m{next(self.numbers)}",
                "source": source,
                **attributes,
            }
            body = json.dumps({**attributes, "data": {"connection": NAME, **data}}).encode()
            deliveries.append(Delivery("feedline.inventory", body, "application/cloudevents+json", {}))
            ids.append(attributes["id"])
        self.stage(*deliveries)
        return ids

    def stage(self, *deliveries: Delivery) -> None:
        """Stage one batch as it came."""
        stage(self.ctx, deliveries, self.ctx.clock.now())

    def run(self, within_seconds: float = 20) -> None:
        """Act on wake-ups until no change is pending or in a feed, and nothing is due."""

        def idle() -> bool:
            waiting = self.query(
                "SELECT (SELECT count(*) FROM key_state WHERE state IN ('unlinked', 'ready', 'in_feed'))"
                " + (SELECT count(*) FROM feed WHERE due_at IS NOT NULL) AS number"
            )
            return bool(waiting[0]["number"] == 0)

        self.run_until(idle, within_seconds)

    def run_until(self, condition: Callable[[], Seen], within_seconds: float = 20, *, meanwhile: Callable[[], None] = lambda: None) -> Seen:
        """Act on wake-ups until *condition* holds. A lane is woken at every look, for a test does not wait for lost wake-ups.

        *meanwhile* is done before every look: `hurry`, or `claims_end`.
        """

        def seen() -> Seen:
            self.execute("UPDATE lane SET dispatched_until = NULL")
            meanwhile()
            conduct(self.ctx, self.hands)
            return condition()

        return eventually(seen, within_seconds)

    def has_ended(self, feed_id: FeedId) -> bool:
        """Take the next step of one feed, if it is due; return whether there is none any more. Nothing is cut meanwhile."""
        (feed,) = self.query(f"SELECT state, due_at FROM feed WHERE id = {feed_id}")
        if feed["due_at"] is not None:
            self.hands.feed(feed_id, FeedState(feed["state"]))
        return feed["due_at"] is None

    def hurry(self) -> None:
        """Let every wait that Postgres keeps be over, those for quota included."""
        self.execute("UPDATE feed SET due_at = now() WHERE due_at IS NOT NULL")
        self.execute("UPDATE feed SET unclear_since = unclear_since - interval '1 hour'")
        self.execute("UPDATE lane SET not_before = NULL")
        self.execute("UPDATE quota SET waiting_until = NULL, tokens = burst, recent = '{}'")
        self.execute("DELETE FROM lease")

    def claims_end(self) -> None:
        """Let the claims of workers that have died, or sleep, come to their end."""
        self.execute("UPDATE feed SET claimed_until = now() - interval '1 second' WHERE claimed_until IS NOT NULL")

    def execute(self, sql: str) -> None:
        with self.ctx.database.begin() as tx:
            tx.exec_driver_sql(sql)

    def query(self, sql: str) -> list[dict[str, Any]]:
        with self.ctx.database.begin() as tx:
            return [dict(row) for row in tx.exec_driver_sql(sql).mappings()]

    def outcome(self, external_id: str) -> str:
        return str(self.outcomes()[external_id]["outcome"])

    def outcomes(self) -> dict[str, dict[str, Any]]:
        """Every message with its outcome row, by the upstream's id."""
        rows = self.query("SELECT m.external_id, m.id AS internal, o.* FROM message m LEFT JOIN outcome o ON o.message_id = m.id")
        return {row["external_id"]: row for row in rows}

    def words(self, *external_ids: str) -> list[str]:
        """The outcomes of those messages."""
        found = self.outcomes()
        return [str(found[external_id]["outcome"]) for external_id in external_ids]

    def feeds(self) -> list[dict[str, Any]]:
        return self.query("SELECT * FROM feed ORDER BY id")

    def states(self) -> list[str]:
        return [feed["state"] for feed in self.feeds()]

    def key(self, sku: str) -> dict[str, Any]:
        return next(row for row in self.query("SELECT * FROM key_state") if row["key"] == sku)

    def refused(self) -> list[dict[str, Any]]:
        """The deliveries that are kept, with the codes of their faults."""
        return [{**row, "codes": [fault["code"] for fault in row["issues"]]} for row in self.query("SELECT * FROM rejected ORDER BY id")]

    def documents(self) -> list[dict[str, Any]]:
        """The documents of the feeds that Amazon got, oldest first."""
        return [json.loads(self.simulator.feed_document(SELLER, feed["amazon_feed_id"])) for feed in self.feeds() if feed["amazon_feed_id"]]


class Hands:
    """Does at once what a wake-up asks for."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def cut(self, connection_id: int, kind: Kind) -> None:
        cut.cut(self._ctx, connection_id, kind)

    def feed(self, feed_id: FeedId, state: FeedState) -> None:
        step = {
            FeedState.SUBMITTING: reconcile.reconcile,
            FeedState.IN_QUEUE: watch.watch,
            FeedState.IN_PROGRESS: watch.watch,
            FeedState.CUT: submit.submit,
            FeedState.DOCUMENT_CREATED: submit.submit,
            FeedState.UPLOADED: submit.submit,
        }.get(state, settle.settle)
        step(self._ctx, feed_id)

    def link(self, connection_id: int) -> None:
        link.link(self._ctx, connection_id, Event())

    def probe(self, connection_id: int) -> None:
        probe.probe(self._ctx, connection_id)

    def run(self, run_id: int) -> None:
        run.take_steps(self._ctx, run_id, Event())

    def announce(self) -> None:
        """Events are tested with a broker, in tests/end_to_end."""

    def keep_house(self) -> None:
        """Partitions are made by the migration."""
