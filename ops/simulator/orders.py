"""Orders API 2026-01-01, its two reads. Source: schema/amazon/orders_2026-01-01.json and Amazon's Orders guide."""

from __future__ import annotations

import base64
from typing import NoReturn

import msgspec

from ops.simulator.answers import Answer, Json, JsonObject, Refusal, denied
from ops.simulator.clock import exact_time, parse_time
from ops.simulator.operations import Operation, Request
from ops.simulator.order_book import AMAZON, MERCHANT, Order, OrderStatus
from ops.simulator.order_view import BLOCKS, shown
from ops.simulator.quota import Plan
from ops.simulator.world import World

_BASE = "/orders/2026-01-01/orders"
_MAX_PAGE_SIZE = 100
_MAX_MARKETPLACES = 50
_STATUSES, _PARTIES, _BLOCKS = frozenset(OrderStatus), frozenset({MERCHANT, AMAZON}), frozenset(BLOCKS)

# A window of time runs over one of the two times of an order: names of its parameters, and of the bound that the answer echoes.
_WINDOWS = (("createdAfter", "createdBefore"), ("lastUpdatedAfter", "lastUpdatedBefore"))


def _refuse(message: str) -> NoReturn:
    raise Refusal(400, "InvalidInput", message) from None


class _Search(msgspec.Struct, frozen=True):
    """What is looked for: exactly this must be said again with every token. Times are real seconds."""

    window: str
    after: float
    before: float | None
    statuses: list[str]
    marketplace_ids: list[str]
    fulfilled_by: list[str]


class _Token(msgspec.Struct, frozen=True):
    """Where the next page begins: after the order (time, id) that was shown last. `issued_at` is virtual."""

    search: _Search
    before: float
    last: tuple[float, str]
    issued_at: float


def search_orders(world: World, request: Request) -> Answer:
    """One page, the longest unchanged orders first. The upper bound of the first page stays that of all."""
    search = _search(world, request)
    page_size = request.integer("maxResultsPerPage", _MAX_PAGE_SIZE, _MAX_PAGE_SIZE, _malformed("maxResultsPerPage"))
    token = _token(world, request, search)
    if token is not None:
        _change_before_the_next_page(world, request, token)
    latest = world.clock.real() - world.limits.orders_delay_seconds
    before = token.before if token is not None else latest if search.before is None else search.before
    if before < search.after:
        _refuse(f"{search.window} must not be later than two minutes ago, nor than its upper bound.")
    found = sorted((_key(order, search), order) for order in _fitting(world, request, search, before))
    waiting = [(key, order) for key, order in found if token is None or key > token.last]
    page = waiting[:page_size]
    orders = [_shown(world, request, order) for _, order in page]
    if orders and world.faults.strike("order_repeated", operation=request.operation, seller=request.account.seller_id):
        orders.append(orders[0])
    answer: JsonObject = {"orders": [*orders], _bound(search): exact_time(before)}
    if len(waiting) > len(page):
        next_token = _Token(search, before, page[-1][0], world.clock.now())
        answer["pagination"] = {"nextToken": base64.urlsafe_b64encode(msgspec.json.encode(next_token)).decode()}
    return Answer(200, answer)


def _malformed(name: str) -> Refusal:
    return Refusal(400, "InvalidInput", f"The value of {name} is invalid.")


def _search(world: World, request: Request) -> _Search:
    given = [(after, before) for after, before in _WINDOWS if request.one(after) is not None]
    if len(given) != 1:
        _refuse("Exactly one of createdAfter and lastUpdatedAfter is required.")
    [(after_name, before_name)] = given
    if any(request.one(before) is not None for after, before in _WINDOWS if after != after_name):
        _refuse(f"{after_name} can only go with {before_name}.")
    after, before = _moment(request, after_name), _moment(request, before_name) if request.one(before_name) is not None else None
    # To the millisecond: "two minutes ago" as a client writes it is not refused for what it rounds away.
    if before is not None and before > world.clock.real() - world.limits.orders_delay_seconds + 0.001:
        _refuse(f"{before_name} must be at least two minutes before now.")
    marketplace_ids = request.many("marketplaceIds")
    if len(marketplace_ids) > _MAX_MARKETPLACES:
        raise _malformed("marketplaceIds")
    if not all(map(request.sells_in, marketplace_ids)):
        raise denied()
    return _Search(
        window=after_name,
        after=after,
        before=before,
        statuses=sorted(request.choice("fulfillmentStatuses", _STATUSES, _malformed("fulfillmentStatuses"))),
        marketplace_ids=sorted(marketplace_ids),
        fulfilled_by=sorted(request.choice("fulfilledBy", _PARTIES, _malformed("fulfilledBy"))),
    )


def _moment(request: Request, name: str) -> float:
    moment = parse_time(request.one(name) or "")
    if moment is None:
        raise _malformed(name)
    return moment


def _bound(search: _Search) -> str:
    return dict(_WINDOWS)[search.window]


def _token(world: World, request: Request, search: _Search) -> _Token | None:
    """The token sent, or None. It is refused when it is old, and when any parameter differs from the first page's."""
    text = request.one("paginationToken")
    if text is None:
        return None
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text), type=_Token)
    except (ValueError, msgspec.DecodeError):
        raise _malformed("paginationToken") from None
    is_old = world.clock.now() > token.issued_at + world.limits.pagination_token_seconds
    struck = world.faults.strike("pagination_token_expired", operation=request.operation, seller=request.account.seller_id)
    if is_old or struck is not None:
        _refuse("The paginationToken has expired.")
    if token.search != search:
        _refuse("The parameters must be those with which the paginationToken was given.")
    return token


def _fitting(world: World, request: Request, search: _Search, before: float) -> list[Order]:
    return [
        order
        for order in world.orders.of(request.account.seller_id)
        if request.sells_in(order.marketplace_id)
        and search.after <= _key(order, search)[0] <= before
        and (not search.statuses or order.status in search.statuses)
        and (not search.marketplace_ids or order.marketplace_id in search.marketplace_ids)
        and (not search.fulfilled_by or order.fulfilled_by in search.fulfilled_by)
    ]


def _key(order: Order, search: _Search) -> tuple[float, str]:
    """The time that the window is about, to the millisecond as it is shown; and the id, which makes the order definite."""
    moment = order.created_at if search.window == "createdAfter" else order.updated_at
    return int(moment * 1000) / 1000, order.order_id


def _change_before_the_next_page(world: World, request: Request, token: _Token) -> None:
    """By a fault, the order that would come next changes now: it leaves the window of the pages, and is in a later one."""
    if world.faults.strike("order_changes_between_pages", operation=request.operation, seller=request.account.seller_id) is None:
        return
    found = sorted((_key(order, token.search), order) for order in _fitting(world, request, token.search, token.before))
    following = next((order for key, order in found if key > token.last), None)
    if following is not None:
        following.updated_at = world.clock.real()


def get_order(world: World, request: Request) -> Answer:
    order = world.orders.find(request.account.seller_id, request.path["orderId"])
    if order is None or not request.sells_in(order.marketplace_id):
        raise Refusal(404, "NotFound", "The requested resource was not found.")
    return Answer(200, {"order": _shown(world, request, order)})


def _shown(world: World, request: Request, order: Order) -> Json:
    included = request.choice("includedData", _BLOCKS, _malformed("includedData"))
    withheld = world.faults.strike("personal_data_withheld", operation=request.operation, seller=request.account.seller_id)
    return shown(order, included, is_personal=withheld is None)


OPERATIONS = (
    Operation("searchOrders", "GET", _BASE, Plan(0.0056, 20), search_orders),
    Operation("getOrder", "GET", f"{_BASE}/{{orderId}}", Plan(0.5, 30), get_order),
)
