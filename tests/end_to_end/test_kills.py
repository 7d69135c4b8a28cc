"""kill -9 of the worker and all its forks, at whatever instruction they are."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import pytest

from ops.simulator.control import Simulator
from tests.end_to_end.ledger import Ledger
from tests.end_to_end.shop import SKUS, feedline
from tests.end_to_end.upstream import SELLER, Upstream, event
from tests.eventually import eventually
from tests.worker_process import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

VERSIONS = 20
REPEATS = 1_000
KILLS = 4


class Version(NamedTuple):
    sku: str
    number: int

    @property
    def id(self) -> str:
        return f"{self.sku}-{self.number}"

    @property
    def price(self) -> Decimal:
        return Decimal(1000 + self.number) / 100

    def event(self) -> bytes:
        return event(self.id, {"sku": self.sku, "price": str(self.price), "quantity": self.number}, sequence=self.number)


def shuffled_versions(chance: random.Random) -> tuple[list[Version], list[Version]]:
    """Return all versions of all SKUs, and the order in which they are published: shuffled, some of them twice."""
    versions = [Version(f"MUG-{sku}", number) for sku in range(1, SKUS + 1) for number in range(1, VERSIONS + 1)]
    published = versions + chance.choices(versions, k=REPEATS)
    chance.shuffle(published)
    return versions, published


@pytest.mark.requirement("R113", "R116", "R123", "R125", "R14")
def test_no_kill_loses_or_doubles_a_message(
    upstream: Upstream, worker: StartWorker, simulated: Mapping[str, str], fast_simulator: Simulator, ledger: Ledger
) -> None:
    chance = random.Random(20260201)
    versions, published = shuffled_versions(chance)
    settings = {**simulated, "FEEDLINE_INGEST_BATCH": "50"}
    running = worker(settings).wait_ready()
    upstream.listen()

    seen: set[Version] = set()
    for chunk in chunks(published, len(published) // KILLS):
        seen.update(chunk)
        killed_at = chance.randint(ledger.staged(), len(seen))
        upstream.publish_many(version.event() for version in chunk)
        eventually(partial(has_staged, ledger, killed_at), 30)
        running.kill9()
        ledger.let_claims_run_out()
        running = worker(settings)
    eventually(lambda: ledger.is_drained(len(versions)), 60)

    assert {name: len(outcomes) for name, outcomes in ledger.outcomes().items()} == {version.id: 1 for version in versions}
    assert upstream.offers() == {f"MUG-{sku}": (Version("", VERSIONS).price, VERSIONS) for sku in range(1, SKUS + 1)}
    assert_told_with_one_id(upstream, {version.id for version in versions})
    assert "429" not in {status for counts in fast_simulator.call_counts().values() for status in counts}


def has_staged(ledger: Ledger, messages: int) -> bool:
    return ledger.staged() >= messages


def chunks(versions: list[Version], size: int) -> Iterator[list[Version]]:
    for start in range(0, len(versions), size):
        yield versions[start : start + size]


def assert_told_with_one_id(upstream: Upstream, ids: set[str]) -> None:
    told = upstream.all_told()
    assert told.keys() == ids
    assert [name for name, events in told.items() if len({each["id"] for each in events}) != 1] == []
    assert [name for name, events in told.items() if len({each["data"]["outcome"] for each in events}) != 1] == []


@pytest.mark.requirement("R113", "R120", "R123")
def test_a_feed_whose_sender_was_killed_is_found_at_amazon_and_not_sent_again(
    upstream: Upstream, worker: StartWorker, simulated: Mapping[str, str], fast_simulator: Simulator, ledger: Ledger
) -> None:
    running = worker(simulated).wait_ready()
    upstream.listen()
    fault = fast_simulator.fault("slow", operation="createFeed", seconds=3)
    upstream.publish({"sku": "MUG-1", "quantity": 7}, id_="m1")

    eventually(lambda: has_struck(fast_simulator, fault), 30)
    running.kill9()
    eventually(fast_simulator.feeds, 10)
    ledger.let_claims_run_out()
    worker(simulated)

    told = eventually(lambda: upstream.told("m1"), 40)
    assert told["data"]["outcome"] == "accepted"
    assert [feed["seller"] for feed in fast_simulator.feeds()] == [SELLER]
    assert told["data"]["amazon_feed_id"] == fast_simulator.feeds()[0]["feed_id"]
    [feed] = [json.loads(line) for line in feedline(simulated, "feeds", "--json").splitlines()]
    assert "Found at Amazon" in feedline(simulated, "feeds", "show", str(feed["feed_id"]))


def has_struck(simulator: Simulator, fault: int) -> bool:
    rules: list[dict[str, Any]] = simulator.call("GET", "/faults")
    return any(rule["id"] == fault and rule.get("struck") for rule in rules)
