"""Rendering: a listing message through a template with ten rules, against a price message; from its data to its feed message."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ops.benchmarks.bench import Bench
from ops.benchmarks.measure import Figure, at_most, seconds
from ops.benchmarks.workload import CONNECTION, MARKETPLACE, SELLER
from worker.core.accounts import Account, Seller
from worker.core.coalescing import Change, Key, Open, Said
from worker.core.connections import Connection, ConnectionSettings
from worker.core.facets import Facets
from worker.core.feed_document import Listing
from worker.core.feed_formats import FORMATS
from worker.core.ids import AccountId, ConnectionId
from worker.core.kinds import Kind
from worker.core.mapping import BUILT_IN_MAPPING_SETS
from worker.core.marketplaces import MARKETPLACES

TIMES_A_PRICE: Final = 3.0
RULES: Final = 10

_NOW: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)


def run(bench: Bench, pairs: int) -> list[Figure]:
    """Pure: neither Postgres nor RabbitMQ has a part in it."""
    count = int(25_000 * bench.scale)
    connection = _connection()
    prices, listings = _prices(count), _listings(count)
    ratios = []
    for _ in range(pairs):
        price = _render(connection, prices, lambda data: connection.settings.sync_template.facets(data, connection.marketplace))
        listing = _render(
            connection, listings, lambda data: connection.settings.publish_template.publish(data, connection.marketplace).facets
        )
        print(f"  rendering: {count:,} listings {listing:.2f} s, prices {price:.2f} s")
        ratios.append(listing / price)
    return [at_most(f"rendering {count:,} listings with {RULES} rules, to as many prices", ratios, TIMES_A_PRICE)]


def _render(connection: Connection, messages: Sequence[Mapping[str, Any]], template: Callable[[Mapping[str, Any]], Facets]) -> float:
    def work() -> None:
        render = FORMATS[Kind.LISTINGS].renderer(connection, _NOW)
        for number, data in enumerate(messages):
            facets = template(data)
            change = Change({facet: Said(value, number) for facet, value in facets.values.items()}, {number: Open("", 0.0)})
            rendered = render(Key(change, {}, {}), Listing(data["sku"], "PRODUCT", ()))
            if facets.faults or len(rendered.parts) != 1:
                raise AssertionError(f"{data} does not become one feed message.")

    return seconds(work)


def _prices(count: int) -> list[dict[str, Any]]:
    return [{"connection": CONNECTION, "sku": f"SKU-{n:07d}", "price": f"{n % 900 + 1}.99", "currency": "USD"} for n in range(count)]


def _listings(count: int) -> list[dict[str, Any]]:
    """Every tenth has a UPC in place of an ASIN, so that rules hold and do not."""
    return [
        {
            "connection": CONNECTION,
            "sku": f"SKU-{n:07d}",
            "title": f"Widget {n}",
            "condition": "New",
            "price": f"{n % 900 + 1}.99",
            "quantity": n % 500,
            "brand": f"Brand {n % 20}",
            **({"asin": f"B0{n:08d}"} if n % 10 else {"upc": "123456789012"}),
        }
        for n in range(count)
    ]


def _connection() -> Connection:
    rules = {
        "If no ASIN use UPC": {
            "name": "If no ASIN use UPC",
            "when": [{"field": "asin", "is": "empty"}],
            "then": [{"set": "product_id", "option": "UPC", "field": "upc"}],
        },
        **{
            f"Brand {n}": {
                "name": f"Brand {n}",
                "when": [{"field": "brand", "equals": f"Brand {n}"}, {"field": "quantity", "greater_than": 10}],
                "then": [{"set": "item_condition", "value": "new_open_box"}],
            }
            for n in range(1, RULES)
        },
    }
    settings = ConnectionSettings.model_validate(
        {
            "name": CONNECTION,
            "marketplace_id": MARKETPLACE,
            "selling_partner_id": SELLER,
            "publish_listings": {
                "template": {
                    "sku": {"field": "sku"},
                    "title": {"field": "title"},
                    "product_id": {"option": "ASIN", "rules": ["If no ASIN use UPC"]},
                    "quantity": {"field": "quantity"},
                    "item_condition": {
                        "mapping_set": "conditions",
                        "field": "condition",
                        "rules": [f"Brand {n}" for n in range(1, RULES)],
                    },
                    "price": {"field": "price"},
                }
            },
            "sync_listings": {"template": {"price": {"field": "price"}, "quantity": {"field": "quantity"}}},
            "rules": rules,
            "mapping_sets": BUILT_IN_MAPPING_SETS,
        }
    )
    marketplace = MARKETPLACES[MARKETPLACE]
    account = Account(AccountId(1), "bench", SELLER, marketplace.region)
    return Connection(ConnectionId(1), CONNECTION, False, 1, Seller(ConnectionId(1), account, MARKETPLACE), marketplace, settings)
