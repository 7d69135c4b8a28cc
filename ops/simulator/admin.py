"""The simulator's own API under /_simulator: set the stage, break things, look at what happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from ops.simulator import admin_catalogue, admin_orders, scenario
from ops.simulator.admin_handlers import Handler, NotFound, read
from ops.simulator.answers import JsonObject, encode
from ops.simulator.clock import exact_time, parse_time
from ops.simulator.faults import KINDS, Rule
from ops.simulator.feed_queue import Feed
from ops.simulator.limits import changed
from ops.simulator.world import World


class ClockChange(msgspec.Struct, forbid_unknown_fields=True):
    """`advance` in virtual seconds, after the change of speed."""

    speed: float | None = None
    freeze: bool | None = None
    advance: float | None = None


async def health(world: World, http: HttpRequest) -> object:
    del http
    return {"status": "ok", "calls": world.calls.total}


async def put_seller(world: World, http: HttpRequest) -> object:
    seller_id = http.path_params["seller_id"]
    account = scenario.register_seller(world, seller_id, await read(http, scenario.SellerGiven))
    return {"seller_id": seller_id, "region": account.region, "marketplace_ids": world.accounts.sellers[seller_id].marketplace_ids}


async def revoke_tokens(world: World, http: HttpRequest) -> object:
    """Every access token of the seller is invalid from now on."""
    world.accounts.revoke_tokens(http.path_params["seller_id"])
    return {}


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
        raise NotFound("no such feed of this seller")
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
    document = world.documents.find(feed.account, document_id or "")
    if document is None or document.body is None:
        raise NotFound("no such document")
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
    return world.faults.add(await read(http, Rule))


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
    change = await read(http, ClockChange)
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
    changes = await read(http, dict[str, object])
    world.settle()
    world.limits = changed(world.limits, changes)
    return world.limits


async def reset(world: World, http: HttpRequest) -> object:
    del http
    world.reset()
    return {}


_FEED = "/feeds/{seller_id}/{feed_id}"
_HANDLERS = (
    Handler("GET", "/health", health),
    Handler("PUT", "/sellers/{seller_id}", put_seller),
    Handler("DELETE", "/sellers/{seller_id}/tokens", revoke_tokens),
    Handler("GET", "/calls", get_calls),
    Handler("GET", "/calls/counts", get_call_counts),
    Handler("GET", "/feeds", get_feeds),
    Handler("GET", f"{_FEED}/document", get_feed_document),
    Handler("GET", f"{_FEED}/result", get_feed_result),
    Handler("POST", f"{_FEED}/release", release_feed),
    Handler("GET", "/faults/kinds", get_fault_kinds),
    Handler("POST", "/faults", add_fault),
    Handler("GET", "/faults", get_faults),
    Handler("DELETE", "/faults", remove_faults),
    Handler("GET", "/clock", get_clock),
    Handler("PUT", "/clock", put_clock),
    Handler("GET", "/limits", get_limits),
    Handler("PUT", "/limits", put_limits),
    Handler("POST", "/reset", reset),
    *admin_catalogue.HANDLERS,
    *admin_orders.HANDLERS,
)


def routes(world: World) -> list[Route]:
    """The routes of the admin API."""
    return [Route(f"/_simulator{handler.path}", _endpoint(world, handler), methods=[handler.method]) for handler in _HANDLERS]


def _endpoint(world: World, handler: Handler) -> Callable[[HttpRequest], Awaitable[Response]]:
    async def answer(http: HttpRequest) -> Response:
        try:
            made = await handler.run(world, http)
        except (ValueError, msgspec.DecodeError) as error:
            return _json({"error": str(error)}, 400)
        except NotFound as error:
            return _json({"error": str(error)}, 404)
        return made if isinstance(made, Response) else _json(made, 200)

    return answer


def _json(value: object, status: int) -> Response:
    return Response(encode(value), status, media_type="application/json")
