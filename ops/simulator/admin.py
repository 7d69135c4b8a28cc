"""The simulator's own API under /_simulator: set the stage, break things, look at what happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ops.simulator import scenario
from ops.simulator.answers import JsonObject, encode
from ops.simulator.catalogue import Item, facets, status_of
from ops.simulator.clock import exact_time, parse_time
from ops.simulator.faults import KINDS, Rule
from ops.simulator.feed_queue import Feed
from ops.simulator.given_orders import OrderChange, OrderGiven, change_order, order_shown, put_orders
from ops.simulator.limits import changed
from ops.simulator.order_book import Order
from ops.simulator.products import Product
from ops.simulator.world import World

_Body = TypeVar("_Body")
_NDJSON = "application/x-ndjson"
_PIECE = 1000


class _NotFound(Exception):
    pass


class ClockChange(msgspec.Struct, forbid_unknown_fields=True):
    """`advance` in virtual seconds, after the change of speed."""

    speed: float | None = None
    freeze: bool | None = None
    advance: float | None = None


def _read(http: HttpRequest, body: bytes, kind: type[_Body]) -> _Body:
    del http
    return msgspec.json.decode(body or b"{}", type=kind)


async def health(world: World, http: HttpRequest) -> object:
    del http
    return {"status": "ok", "calls": world.calls.total}


async def put_seller(world: World, http: HttpRequest) -> object:
    seller_id = http.path_params["seller_id"]
    account = scenario.register_seller(world, seller_id, _read(http, await http.body(), scenario.SellerGiven))
    return {"seller_id": seller_id, "region": account.region, "marketplace_ids": world.accounts.sellers[seller_id].marketplace_ids}


async def revoke_tokens(world: World, http: HttpRequest) -> object:
    """Every access token of the seller is invalid from now on."""
    world.accounts.revoke_tokens(http.path_params["seller_id"])
    return {}


async def put_catalogue(world: World, http: HttpRequest) -> object:
    """A list, {"items": [...], "generate": {...}}, or NDJSON. SKUs not named stay; ?clear=1 empties first."""
    body = await http.body()
    seller_id, marketplace_id = http.path_params["seller_id"], http.path_params["marketplace_id"]
    if http.headers.get("content-type", "").startswith(_NDJSON):
        decoder = msgspec.json.Decoder(scenario.ItemGiven)
        items = scenario.ItemsGiven(items=[decoder.decode(line) for line in body.splitlines() if line])
    elif body.lstrip().startswith(b"["):
        items = scenario.ItemsGiven(items=msgspec.json.decode(body, type=list[scenario.ItemGiven]))
    else:
        items = _read(http, body, scenario.ItemsGiven)
    world.settle()
    if http.query_params.get("clear") == "1":
        world.catalogue.shelf(seller_id, marketplace_id).clear()
    return {"put": scenario.stock_shelf(world, seller_id, marketplace_id, items)}


async def get_catalogue(world: World, http: HttpRequest) -> object:
    """All items of a shelf as a JSON list, or as NDJSON when it is asked for by ?format=ndjson."""
    world.settle()
    shelf = world.catalogue.shelf(http.path_params["seller_id"], http.path_params["marketplace_id"])
    full = http.query_params.get("full") == "1"
    if http.query_params.get("format") == "ndjson":
        return StreamingResponse(_lines(list(shelf.values()), full=full), media_type=_NDJSON)
    return [_item_shown(item, full=full) for item in shelf.values()]


async def _lines(items: list[Item], *, full: bool) -> AsyncIterator[bytes]:
    """One item a line. Other calls get their turn between the pieces of a large shelf."""
    for start in range(0, len(items), _PIECE):
        yield b"".join([encode(_item_shown(item, full=full)) + b"\n" for item in items[start : start + _PIECE]])
        await asyncio.sleep(0)


async def get_item(world: World, http: HttpRequest) -> object:
    world.settle()
    shelf = world.catalogue.shelf(http.path_params["seller_id"], http.path_params["marketplace_id"])
    item = shelf.get(http.query_params.get("sku", ""))
    if item is None:
        raise _NotFound("no such SKU in this marketplace")
    return _item_shown(item, full=True)


def _item_shown(item: Item, *, full: bool) -> JsonObject:
    attributes = item.attributes
    found = facets(item, attributes)
    shape: JsonObject = {
        "sku": item.sku,
        "exists_as": "listing" if item.is_listing else "incomplete",
        "asin": item.asin,
        "product_type": item.product_type,
        "price": None if found.price is None else format(found.price, "f"),
        "currency": found.currency,
        "quantity": found.quantity,
        "lead_time": found.lead_time,
        "fulfillment_channel": found.channel,
        "stranded": item.is_stranded,
        "last_feed_id": item.last_feed_id,
        "updated_at": exact_time(item.updated_at),
    }
    if full:
        shape["status"] = [*status_of(item, attributes)]
        shape["attributes"] = {name: [*instances] for name, instances in attributes.items()}
    return shape


async def get_history(world: World, http: HttpRequest) -> object:
    """Every submission for the shelf, oldest first; ?sku= those of one SKU."""
    world.settle()
    history = world.catalogue.history(http.path_params["seller_id"], http.path_params["marketplace_id"])
    return [{**msgspec.to_builtins(one), "at": exact_time(one.at)} for one in history.of(http.query_params.get("sku"))]


async def put_products(world: World, http: HttpRequest) -> object:
    """A list of products that offers can be attached to; those not named stay."""
    products = _read(http, await http.body(), list[Product])
    return {"put": scenario.register_products(world, http.path_params["marketplace_id"], products)}


async def get_products(world: World, http: HttpRequest) -> object:
    world.settle()
    return list(world.catalogue.products(http.path_params["marketplace_id"]))


async def add_orders(world: World, http: HttpRequest) -> object:
    """A list of orders, each in the place of what its id was."""
    world.settle()
    return {"put": put_orders(world, http.path_params["seller_id"], _read(http, await http.body(), list[OrderGiven]))}


async def get_orders(world: World, http: HttpRequest) -> object:
    """Every order of the seller with its parcels."""
    world.settle()
    return [order_shown(order) for order in world.orders.of(http.path_params["seller_id"])]


async def get_order(world: World, http: HttpRequest) -> object:
    return order_shown(_order(world, http))


async def update_order(world: World, http: HttpRequest) -> object:
    """Change an order, now or after so many virtual seconds."""
    order = _order(world, http)
    change_order(world, http.path_params["seller_id"], order.order_id, _read(http, await http.body(), OrderChange))
    return order_shown(order)


def _order(world: World, http: HttpRequest) -> Order:
    world.settle()
    order = world.orders.find(http.path_params["seller_id"], http.path_params["order_id"])
    if order is None:
        raise _NotFound("no such order of this seller")
    return order


async def get_calls(world: World, http: HttpRequest) -> object:
    """The call log, oldest first; ?operation= status= seller= after=NUMBER since=TIME limit=."""
    query = http.query_params
    calls = world.calls.select(
        operation=query.get("operation"),
        status=int(query["status"]) if "status" in query else None,
        seller=query.get("seller"),
        after=int(query.get("after", "0")),
        since=parse_time(query["since"]) or 0.0 if "since" in query else 0.0,
        limit=int(query["limit"]) if "limit" in query else None,
    )
    return [{**msgspec.to_builtins(call), "at_real": exact_time(call.at_real), "at_virtual": exact_time(call.at_virtual)} for call in calls]


async def get_call_counts(world: World, http: HttpRequest) -> object:
    del http
    return world.calls.counts()


async def get_feeds(world: World, http: HttpRequest) -> object:
    """Every feed in the order of creation; ?seller= status= feed_type=."""
    world.settle()
    query = http.query_params
    return [
        _feed_shown(world, feed)
        for feed in world.feeds
        if query.get("seller") in {None, feed.account.seller_id}
        and query.get("status") in {None, feed.status.value}
        and query.get("feed_type") in {None, feed.feed_type}
    ]


def _feed_shown(world: World, feed: Feed) -> JsonObject:
    def moment(virtual: float | None) -> str | None:
        return None if virtual is None else exact_time(world.clock.real_at(virtual))

    return {
        "feed_id": feed.feed_id,
        "seller": feed.account.seller_id,
        "client_id": feed.account.client_id,
        "feed_type": feed.feed_type,
        "marketplace_ids": [*feed.marketplace_ids],
        "status": feed.status.value,
        "created_at": moment(feed.created_at),
        "started_at": moment(feed.started_at),
        "ended_at": moment(feed.ended_at),
        "messages": feed.message_count,
        "accepted": feed.accepted,
        "invalid": feed.invalid,
        "document_bytes": feed.document_bytes,
        "input_document_id": feed.document_id,
        "result_document_id": feed.result_document_id,
        "faults": [*feed.faults],
    }


def _feed(world: World, http: HttpRequest) -> Feed:
    world.settle()
    feed = world.feeds.find(http.path_params["seller_id"], http.path_params["feed_id"])
    if feed is None:
        raise _NotFound("no such feed of this seller")
    return feed


async def get_feed_document(world: World, http: HttpRequest) -> object:
    """The bytes as they were uploaded."""
    feed = _feed(world, http)
    return _document(world, feed, feed.document_id)


async def get_feed_result(world: World, http: HttpRequest) -> object:
    """The processing report, unpacked."""
    feed = _feed(world, http)
    return _document(world, feed, feed.result_document_id)


def _document(world: World, feed: Feed, document_id: str | None) -> Response:
    document = world.documents.find(feed.account.seller_id, document_id or "")
    if document is None or document.body is None:
        raise _NotFound("no such document")
    return Response(document.plain(), media_type=document.content_type)


async def release_feed(world: World, http: HttpRequest) -> object:
    """Let a stuck feed go on from now."""
    feed = _feed(world, http)
    world.feeds.release(feed, world.clock.now())
    world.settle()
    return _feed_shown(world, feed)


async def get_fault_kinds(world: World, http: HttpRequest) -> object:
    del world, http
    return [{"kind": name, "says": kind.says, "options": kind.options} for name, kind in KINDS.items()]


async def add_fault(world: World, http: HttpRequest) -> object:
    return world.faults.add(_read(http, await http.body(), Rule))


async def get_faults(world: World, http: HttpRequest) -> object:
    del http
    return world.faults.rules


async def remove_faults(world: World, http: HttpRequest) -> object:
    """All rules, or ?id= one. What a feed has caught already stays with it."""
    rule_id = http.query_params.get("id")
    return {"removed": world.faults.remove(None if rule_id is None else int(rule_id))}


async def get_clock(world: World, http: HttpRequest) -> object:
    del http
    return _clock_shown(world)


async def put_clock(world: World, http: HttpRequest) -> object:
    change = _read(http, await http.body(), ClockChange)
    world.clock.run(speed=change.speed, freeze=change.freeze)
    if change.advance is not None:
        world.clock.advance(change.advance)
    return _clock_shown(world)


def _clock_shown(world: World) -> JsonObject:
    clock = world.clock
    return {
        "virtual": exact_time(clock.now()),
        "real": exact_time(clock.real()),
        "speed": Decimal(f"{clock.speed:g}"),
        "frozen": clock.is_frozen,
    }


async def get_limits(world: World, http: HttpRequest) -> object:
    del http
    return world.limits


async def put_limits(world: World, http: HttpRequest) -> object:
    """Change the limits named; the others stay."""
    world.settle()
    world.limits = changed(world.limits, _read(http, await http.body(), dict[str, object]))
    return world.limits


async def reset(world: World, http: HttpRequest) -> object:
    del http
    world.reset()
    return {}


_Handler = Callable[[World, HttpRequest], Awaitable[object]]
_SHELF = "/catalogue/{seller_id}/{marketplace_id}"
_FEED = "/feeds/{seller_id}/{feed_id}"
_HANDLERS: tuple[tuple[str, str, _Handler], ...] = (
    ("GET", "/health", health),
    ("PUT", "/sellers/{seller_id}", put_seller),
    ("DELETE", "/sellers/{seller_id}/tokens", revoke_tokens),
    ("PUT", _SHELF, put_catalogue),
    ("GET", _SHELF, get_catalogue),
    ("GET", f"{_SHELF}/item", get_item),
    ("GET", f"{_SHELF}/history", get_history),
    ("PUT", "/products/{marketplace_id}", put_products),
    ("GET", "/products/{marketplace_id}", get_products),
    ("POST", "/orders/{seller_id}", add_orders),
    ("GET", "/orders/{seller_id}", get_orders),
    ("GET", "/orders/{seller_id}/{order_id}", get_order),
    ("POST", "/orders/{seller_id}/{order_id}", update_order),
    ("GET", "/calls", get_calls),
    ("GET", "/calls/counts", get_call_counts),
    ("GET", "/feeds", get_feeds),
    ("GET", f"{_FEED}/document", get_feed_document),
    ("GET", f"{_FEED}/result", get_feed_result),
    ("POST", f"{_FEED}/release", release_feed),
    ("GET", "/faults/kinds", get_fault_kinds),
    ("POST", "/faults", add_fault),
    ("GET", "/faults", get_faults),
    ("DELETE", "/faults", remove_faults),
    ("GET", "/clock", get_clock),
    ("PUT", "/clock", put_clock),
    ("GET", "/limits", get_limits),
    ("PUT", "/limits", put_limits),
    ("POST", "/reset", reset),
)


def routes(world: World) -> list[Route]:
    """The routes of the admin API."""
    return [Route(f"/_simulator{path}", _endpoint(world, handler), methods=[method]) for method, path, handler in _HANDLERS]


def _endpoint(world: World, handler: _Handler) -> Callable[[HttpRequest], Awaitable[Response]]:
    async def answer(http: HttpRequest) -> Response:
        try:
            made = await handler(world, http)
        except (ValueError, msgspec.DecodeError) as error:
            return _json({"error": str(error)}, 400)
        except _NotFound as error:
            return _json({"error": str(error)}, 404)
        return made if isinstance(made, Response) else _json(made, 200)

    return answer


def _json(value: object, status: int) -> Response:
    return Response(encode(value), status, media_type="application/json")
