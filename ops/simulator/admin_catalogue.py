"""The admin API of products and listings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import StreamingResponse

from ops.simulator import scenario
from ops.simulator.admin_handlers import Handler, NotFound, read
from ops.simulator.answers import JsonObject, encode
from ops.simulator.catalogue import Item, facets, status_of
from ops.simulator.clock import exact_time
from ops.simulator.products import Product
from ops.simulator.world import World

_NDJSON = "application/x-ndjson"
_PIECE = 1000


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
        items = await read(http, scenario.ItemsGiven)
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
        raise NotFound("no such SKU in this marketplace")
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
    products = await read(http, list[Product])
    return {"put": scenario.register_products(world, http.path_params["marketplace_id"], products)}


async def get_products(world: World, http: HttpRequest) -> object:
    world.settle()
    return list(world.catalogue.products(http.path_params["marketplace_id"]))


_SHELF = "/catalogue/{seller_id}/{marketplace_id}"
HANDLERS = (
    Handler("PUT", _SHELF, put_catalogue),
    Handler("GET", _SHELF, get_catalogue),
    Handler("GET", f"{_SHELF}/item", get_item),
    Handler("GET", f"{_SHELF}/history", get_history),
    Handler("PUT", "/products/{marketplace_id}", put_products),
    Handler("GET", "/products/{marketplace_id}", get_products),
)
