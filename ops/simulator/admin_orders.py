"""The admin API of what comes in: orders, and the reports about listings."""

from __future__ import annotations

from starlette.requests import Request as HttpRequest

from ops.simulator.admin_handlers import Handler, NotFound, read
from ops.simulator.answers import JsonObject
from ops.simulator.given_orders import OrderChange, OrderGiven, change_order, order_shown, put_orders
from ops.simulator.listings_report import MoreListings
from ops.simulator.order_book import Order
from ops.simulator.report_queue import Report
from ops.simulator.world import World


async def put_more_listings(world: World, http: HttpRequest) -> object:
    """What listings reports have beside the catalogue, in the place of what was said before."""
    more = await read(http, MoreListings)
    world.more_listings[http.path_params["seller_id"], http.path_params["marketplace_id"]] = more
    return more


async def get_reports(world: World, http: HttpRequest) -> object:
    """Every report that the seller asked for, in the order of creation."""
    world.settle()
    return [_report_shown(report) for report in world.reports if report.account.seller_id == http.path_params["seller_id"]]


def _report_shown(report: Report) -> JsonObject:
    return {
        "report_id": report.report_id,
        "report_type": report.report_type,
        "marketplace_ids": [*report.marketplace_ids],
        "options": {**report.options},
        "status": report.status.value,
        "document_id": report.document_id,
        "faults": [*report.faults],
    }


async def release_report(world: World, http: HttpRequest) -> object:
    """Let a stuck report go on from now."""
    report = world.reports.find(http.path_params["seller_id"], http.path_params["report_id"])
    if report is None:
        raise NotFound("no such report of this seller")
    report.released_at = world.clock.now()
    world.settle()
    return _report_shown(report)


async def add_orders(world: World, http: HttpRequest) -> object:
    """A list of orders, each in the place of what its id was."""
    world.settle()
    return {"put": put_orders(world, http.path_params["seller_id"], await read(http, list[OrderGiven]))}


async def get_orders(world: World, http: HttpRequest) -> object:
    """Every order of the seller with its parcels."""
    world.settle()
    return [order_shown(order) for order in world.orders.of(http.path_params["seller_id"])]


async def get_order(world: World, http: HttpRequest) -> object:
    return order_shown(_order(world, http))


async def update_order(world: World, http: HttpRequest) -> object:
    """Change an order, now or after so many virtual seconds."""
    order = _order(world, http)
    change_order(world, http.path_params["seller_id"], order.order_id, await read(http, OrderChange))
    return order_shown(order)


def _order(world: World, http: HttpRequest) -> Order:
    world.settle()
    order = world.orders.find(http.path_params["seller_id"], http.path_params["order_id"])
    if order is None:
        raise NotFound("no such order of this seller")
    return order


_ORDER = "/orders/{seller_id}/{order_id}"
HANDLERS = (
    Handler("PUT", "/more-listings/{seller_id}/{marketplace_id}", put_more_listings),
    Handler("GET", "/reports/{seller_id}", get_reports),
    Handler("POST", "/reports/{seller_id}/{report_id}/release", release_report),
    Handler("POST", "/orders/{seller_id}", add_orders),
    Handler("GET", "/orders/{seller_id}", get_orders),
    Handler("GET", _ORDER, get_order),
    Handler("POST", _ORDER, update_order),
)
