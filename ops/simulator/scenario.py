"""What a test, or a scenario file, tells the simulator: sellers, their catalogues, faults, limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from ops.simulator.attributes import Issue, Severity
from ops.simulator.catalogue import Item, seeded_attributes
from ops.simulator.faults import Rule
from ops.simulator.given_orders import OrderGiven, put_orders
from ops.simulator.limits import changed
from ops.simulator.listings_report import MoreListings
from ops.simulator.marketplaces import MARKETPLACES
from ops.simulator.product_type_names import GENERIC
from ops.simulator.products import Product
from ops.simulator.quota import Account
from ops.simulator.world import World


class SellerGiven(msgspec.Struct, forbid_unknown_fields=True):
    """A seller and one authorisation of one application. Without `region`: that of the first marketplace."""

    refresh_token: str
    client_id: str
    client_secret: str
    marketplace_ids: list[str]
    region: str | None = None
    store_name: str | None = None


class IssueGiven(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    message: str
    severity: Severity = "ERROR"
    attribute: str | None = None

    def issue(self) -> Issue:
        return Issue(self.code, self.message, self.severity, self.attribute)


class ItemGiven(msgspec.Struct, forbid_unknown_fields=True):
    """A listing that is there before a test begins.

    `reject`: issues that every submission for the SKU gets; `issues`: issues of the item itself.
    `quantity` of an AMAZON_* channel is Amazon's own stock.
    """

    sku: str
    product_type: str = GENERIC
    asin: str | None = None
    fulfillment_channel: str = "DEFAULT"
    price: Decimal | None = None
    quantity: int | None = None
    lead_time: int | None = None
    title: str | None = None
    reject: list[IssueGiven] = []
    issues: list[IssueGiven] = []


class Generate(msgspec.Struct, forbid_unknown_fields=True):
    """`count` listings alike: SKUs are the prefix and a number from `start`, with at least `digits` digits."""

    prefix: str
    count: int
    start: int = 1
    digits: int = 1
    product_type: str = GENERIC
    fulfillment_channel: str = "DEFAULT"
    price: Decimal | None = None
    quantity: int | None = None
    lead_time: int | None = None

    def items(self) -> Iterator[ItemGiven]:
        for number in range(self.start, self.start + self.count):
            yield ItemGiven(
                sku=f"{self.prefix}{number:0{self.digits}d}",
                product_type=self.product_type,
                asin=f"B0{number:08d}",
                fulfillment_channel=self.fulfillment_channel,
                price=self.price,
                quantity=self.quantity,
                lead_time=self.lead_time,
            )


class ItemsGiven(msgspec.Struct, forbid_unknown_fields=True):
    """Listings one by one, generated, or both."""

    items: list[ItemGiven] = []
    generate: Generate | None = None

    def __iter__(self) -> Iterator[ItemGiven]:
        yield from self.items
        if self.generate is not None:
            yield from self.generate.items()


class _ScenarioSeller(SellerGiven, kw_only=True, forbid_unknown_fields=True):
    seller_id: str


class _ScenarioCatalogue(ItemsGiven, kw_only=True, forbid_unknown_fields=True):
    seller_id: str
    marketplace_id: str


class _ScenarioProducts(msgspec.Struct, forbid_unknown_fields=True):
    marketplace_id: str
    items: list[Product]


class _ScenarioOrders(msgspec.Struct, forbid_unknown_fields=True):
    seller_id: str
    items: list[OrderGiven]


class _ScenarioMore(MoreListings, kw_only=True, forbid_unknown_fields=True):
    seller_id: str
    marketplace_id: str


class Scenario(msgspec.Struct, forbid_unknown_fields=True):
    """A whole scenario file. In YAML write prices in quotes: a bare YAML number is binary."""

    sellers: list[_ScenarioSeller] = []
    products: list[_ScenarioProducts] = []
    catalogue: list[_ScenarioCatalogue] = []
    orders: list[_ScenarioOrders] = []
    more_listings: list[_ScenarioMore] = []
    faults: list[Rule] = []
    limits: dict[str, object] = {}


def read_scenario(path: Path) -> Scenario:
    """The scenario in a YAML or JSON file. Raises ValueError, naming the field or the line."""
    if path.suffix == ".json":
        return msgspec.json.decode(path.read_bytes(), type=Scenario)
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        told = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        where = f":{error.problem_mark.line + 1}" if isinstance(error, MarkedYAMLError) and error.problem_mark else ""
        what = error.problem if isinstance(error, MarkedYAMLError) else type(error).__name__
        raise ValueError(f"{path}{where} is no YAML: {what}") from None
    return msgspec.convert(told or {}, Scenario)


def play(world: World, scenario: Scenario) -> None:
    """Set the stage."""
    world.limits = changed(world.limits, scenario.limits)
    for seller in scenario.sellers:
        register_seller(world, seller.seller_id, seller)
    for products in scenario.products:
        register_products(world, products.marketplace_id, products.items)
    for given in scenario.catalogue:
        stock_shelf(world, given.seller_id, given.marketplace_id, given)
    for more in scenario.more_listings:
        world.more_listings[more.seller_id, more.marketplace_id] = more
    for orders in scenario.orders:
        put_orders(world, orders.seller_id, orders.items)
    for rule in scenario.faults:
        world.faults.add(rule)


def register_seller(world: World, seller_id: str, given: SellerGiven) -> Account:
    """Make a seller known. Raises ValueError for a marketplace that does not exist, or of another region."""
    unknown = [name for name in given.marketplace_ids if name not in MARKETPLACES]
    if unknown or not given.marketplace_ids:
        raise ValueError(f"no such marketplace: {', '.join(unknown) or 'none given'}")
    region = given.region or MARKETPLACES[given.marketplace_ids[0]].region
    account = Account(given.client_id, seller_id, region)
    seller = world.accounts.register(account, given.client_secret, given.refresh_token, given.marketplace_ids)
    seller.store_name = given.store_name or seller.store_name
    return account


def register_products(world: World, marketplace_id: str, products: Iterable[Product]) -> int:
    """Make products of Amazon's own known, that offers can be attached to; say how many."""
    if marketplace_id not in MARKETPLACES:
        raise ValueError(f"no such marketplace: {marketplace_id}")
    known = world.catalogue.products(marketplace_id)
    count = 0
    for product in products:
        known.register(product)
        count += 1
    return count


def stock_shelf(world: World, seller_id: str, marketplace_id: str, items: Iterable[ItemGiven]) -> int:
    """Put listings into a catalogue, each in place of what the SKU was; say how many."""
    if marketplace_id not in MARKETPLACES:
        raise ValueError(f"no such marketplace: {marketplace_id}")
    marketplace = MARKETPLACES[marketplace_id]
    shelf = world.catalogue.shelf(seller_id, marketplace_id)
    now = world.clock.real()
    count = 0
    for given in items:
        channel = given.fulfillment_channel
        item = Item(given.sku, given.product_type, is_listing=True, created_at=now, updated_at=now, asin=given.asin)
        item.fba_quantity = (given.quantity or 0) if channel.startswith("AMAZON_") else None
        item.keep(
            seeded_attributes(
                marketplace, channel=channel, price=given.price, quantity=given.quantity, lead_time=given.lead_time, title=given.title
            )
        )
        item.rejections = tuple(issue.issue() for issue in given.reject)
        item.later_issues = tuple(issue.issue() for issue in given.issues)
        shelf[given.sku] = item
        if given.asin is not None:
            world.catalogue.products(marketplace_id).list_asin(given.asin)
        count += 1
    return count
