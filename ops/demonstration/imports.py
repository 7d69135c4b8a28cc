"""What comes in: the listings and orders that Amazon has, imported by runs of every connection while the messages go out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ops.demonstration.scenario import Nature, Scenario
from ops.demonstration.sellers import SELLERS
from ops.demonstration.shipping import Order
from worker.core.runs import RunKind, RunState, Trigger
from worker.database import Database

KINDS: Final = (RunKind.IMPORT_LISTINGS, RunKind.GET_ORDERS)


class Run(NamedTuple):
    """One run of a connection, as its row tells it."""

    connection: str
    kind: str
    state: str
    fault: str | None

    @property
    def is_over(self) -> bool:
        return self.state in {RunState.DONE, RunState.FAILED}


class Imported(NamedTuple):
    """What is stored in the end: `skus` by connection, and of every order the quantity by order item."""

    runs: Sequence[Run]
    skus: Mapping[str, frozenset[str]]
    orders: Mapping[str, Mapping[str, int]]


def ask_for_all(database_url: str) -> None:
    """Ask for a run of every kind for every connection, as `feedline run` does."""
    from worker.steps.run import ask

    database = Database(database_url, application_name="feedline demo")
    with database.begin() as tx:
        for seller in SELLERS:
            for kind in KINDS:
                ask(tx, seller.connection, kind, Trigger.MANUAL)
    database.close()


def differences(scenario: Scenario, seen: Imported) -> Iterator[str]:
    """Yield a sentence for everything that was not imported as it must be."""
    for run in seen.runs:
        if run.state != RunState.DONE:
            yield f"{run.connection}: the run {run.kind} is {run.state}{f' ({run.fault})' if run.fault else ''}"
    for seller in SELLERS:
        listed = {each.sku for each in scenario.listings if each.seller is seller and each.nature is not Nature.UNKNOWN}
        missing = listed - seen.skus.get(seller.connection, frozenset())
        if missing:
            yield f"{seller.connection}: {len(missing)} listings were not imported, {min(missing)} among them"
    yield from _in_orders((order for order in scenario.orders if order.is_known), seen.orders)


def _in_orders(known: Iterable[Order], seen: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for order in known:
        expected = {line.order_item_id: line.quantity for line in order.lines}
        if seen.get(order.order_id) != expected:
            yield f"{order.order_id}: imported as {seen.get(order.order_id)} in place of {expected}"
