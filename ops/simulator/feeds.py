"""Feeds API 2021-06-30. Source: schema/amazon/feeds_2021-06-30.json and Amazon's Feeds guide."""

from __future__ import annotations

import base64
from typing import NoReturn

import msgspec

from ops.simulator.answers import Answer, JsonObject, Refusal, invalid_parameters, throttled
from ops.simulator.clock import amazon_time, parse_time
from ops.simulator.documents import Document
from ops.simulator.faults import Rule
from ops.simulator.feed_queue import Feed, FeedStatus
from ops.simulator.listings_feed import FEED_TYPE as JSON_LISTINGS_FEED
from ops.simulator.operations import Operation, Request
from ops.simulator.quota import Plan
from ops.simulator.world import PROCESSORS, World

_BASE = "/feeds/2021-06-30"
_MAX_MARKETPLACES = 25
_MAX_FILTERS = 10
_PAGE_SIZE = 10
_MAX_PAGE_SIZE = 100
_RETENTION_SECONDS = 90 * 86400
_ENCODING_HEADER = "enableContentEncodingUrlHeader"

# Amazon still takes these and ends them FATAL, since 2025-07-31.
RETIRED_TYPES = frozenset(
    {"POST_PRODUCT_DATA", "POST_INVENTORY_AVAILABILITY_DATA", "POST_PRODUCT_PRICING_DATA", "POST_FLAT_FILE_INVLOADER_DATA"}
)
FEED_TYPES = frozenset(PROCESSORS) | RETIRED_TYPES

# Faults that a feed carries from createFeed to its end.
_OF_A_FEED = (
    "feed_stuck_in_queue",
    "feed_stuck_in_progress",
    "feed_cancelled",
    "feed_fatal",
    "no_result_document",
    "feed_level_issue",
    "counters_off",
    "issue_for_unknown_message",
    "accepted_not_applied",
    "getfeeds_lag",
)


def create_feed_document(world: World, request: Request) -> Answer:
    content_type = request.json(invalid_parameters()).get("contentType")
    if not isinstance(content_type, str) or not content_type.strip():
        raise invalid_parameters()
    document = world.documents.create(request.account.seller_id, request.account.region, content_type)
    url = world.documents.sign(request.base_url, document, "PUT", world.limits.url_seconds)
    return Answer(201, {"feedDocumentId": document.document_id, "url": url})


def create_feed(world: World, request: Request) -> Answer:
    """202 with the id of a queued feed. Every fault of the request has the same 400 text."""
    body = request.json(invalid_parameters())
    feed_type, marketplace_ids = _feed_type(body), _marketplace_ids(body, request)
    document = _input_document(world, request, body)
    window = world.limits.feed_windows.get(feed_type)
    now = world.clock.now()
    if window is not None and world.limits.enforce_windows and not world.quotas.submit(request.account, feed_type, window, now):
        raise throttled()
    document.times_used += 1
    faults = _faults_of_new_feed(world, request, feed_type)
    feed = world.feeds.add(request.account, feed_type, marketplace_ids, document.document_id, now=now, faults=faults)
    return Answer(202, {"feedId": feed.feed_id})


def _feed_type(body: JsonObject) -> str:
    feed_type = body.get("feedType")
    if not isinstance(feed_type, str) or feed_type not in FEED_TYPES:
        raise invalid_parameters()
    return feed_type


def _marketplace_ids(body: JsonObject, request: Request) -> list[str]:
    """The marketplaces of the feed; a JSON listings feed has exactly one."""
    named = body.get("marketplaceIds")
    if not isinstance(named, list) or not 1 <= len(named) <= _MAX_MARKETPLACES:
        raise invalid_parameters()
    ids = [name for name in named if isinstance(name, str) and request.sells_in(name)]
    if len(ids) != len(named) or (body["feedType"] == JSON_LISTINGS_FEED and len(ids) != 1):
        raise invalid_parameters()
    options = body.get("feedOptions", {})
    if not isinstance(options, dict) or not all(isinstance(value, str) for value in options.values()):
        raise invalid_parameters()
    return ids


def _input_document(world: World, request: Request, body: JsonObject) -> Document:
    """The uploaded document. Amazon is also said to take one that is absent, and to end the feed FATAL."""
    document_id = body.get("inputFeedDocumentId")
    document = world.documents.find(request.account.seller_id, document_id) if isinstance(document_id, str) else None
    if document is None or (document.body is None and world.limits.create_feed_without_upload == "refuse"):
        raise invalid_parameters()
    if document.times_used and world.faults.strike(
        "duplicate_document_refused", operation=request.operation, seller=request.account.seller_id, feed_type=str(body["feedType"])
    ):
        raise invalid_parameters()
    return document


def _faults_of_new_feed(world: World, request: Request, feed_type: str) -> dict[str, Rule]:
    struck: dict[str, Rule] = {}
    for kind in _OF_A_FEED:
        rule = world.faults.strike(kind, operation=request.operation, seller=request.account.seller_id, feed_type=feed_type)
        if rule is not None:
            struck[kind] = rule
    return struck


def get_feed(world: World, request: Request) -> Answer:
    return Answer(200, _shown(world, _own_feed(world, request)))


def cancel_feed(world: World, request: Request) -> Answer:
    """200 without a body, only while the feed is IN_QUEUE."""
    if not world.feeds.cancel(_own_feed(world, request), world.clock.now()):
        raise Refusal(400, "InvalidInput", "The feed can not be cancelled because it is no longer in the queue.")
    return Answer(200)


def _own_feed(world: World, request: Request) -> Feed:
    feed = world.feeds.find(request.account.seller_id, request.path["feedId"])
    if feed is None or feed.account.region != request.account.region:
        raise Refusal(404, "NotFound", "The requested resource was not found.")
    return feed


def _shown(world: World, feed: Feed) -> JsonObject:
    shape: JsonObject = {
        "feedId": feed.feed_id,
        "feedType": feed.feed_type,
        "marketplaceIds": [*feed.marketplace_ids],
        "createdTime": amazon_time(world.clock.real_at(feed.created_at)),
        "processingStatus": feed.status.value,
    }
    if feed.started_at is not None:
        shape["processingStartTime"] = amazon_time(world.clock.real_at(feed.started_at))
    if feed.ended_at is not None and feed.started_at is not None:
        shape["processingEndTime"] = amazon_time(world.clock.real_at(feed.ended_at))
    if feed.result_document_id is not None:
        shape["resultFeedDocumentId"] = feed.result_document_id
    return shape


class _Search(msgspec.Struct, frozen=True):
    """What getFeeds looks for; a nextToken is this, encoded. `before`: sequence of the last feed shown."""

    feed_types: list[str]
    marketplace_ids: list[str]
    statuses: list[str]
    since: float
    until: float
    page_size: int
    before: int | None = None


def get_feeds(world: World, request: Request) -> Answer:
    """Newest first. Either feedTypes with filters, or nextToken alone."""
    search = _search(world, request)
    now = world.clock.now()
    fitting = [
        feed
        for feed in world.feeds
        if feed.account.seller_id == request.account.seller_id
        and feed.account.region == request.account.region
        and feed.feed_type in search.feed_types
        and (not search.marketplace_ids or not set(search.marketplace_ids).isdisjoint(feed.marketplace_ids))
        and (not search.statuses or feed.status in search.statuses)
        and search.since <= world.clock.real_at(feed.created_at) <= search.until
        and (search.before is None or feed.sequence < search.before)
        and not _lags(feed, now)
    ]
    fitting.sort(key=lambda feed: -feed.sequence)
    page = fitting[: search.page_size]
    answer: JsonObject = {"feeds": [_shown(world, feed) for feed in page]}
    if len(fitting) > len(page):
        answer["nextToken"] = _token(msgspec.structs.replace(search, before=page[-1].sequence))
    return Answer(200, answer)


def _lags(feed: Feed, now: float) -> bool:
    rule = feed.faults.get("getfeeds_lag")
    return rule is not None and now < feed.created_at + (rule.seconds or 0)


def _search(world: World, request: Request) -> _Search:
    refusal = invalid_parameters()
    token = request.one("nextToken")
    if token is not None:
        if any(request.query.get(name) for name in ("feedTypes", "processingStatuses", "pageSize", "createdSince", "createdUntil")):
            raise refusal
        return _read_token(token)
    feed_types = request.many("feedTypes")
    marketplace_ids = request.many("marketplaceIds")
    if not 1 <= len(feed_types) <= _MAX_FILTERS or len(marketplace_ids) > _MAX_FILTERS:
        raise refusal
    statuses = request.choice("processingStatuses", frozenset(FeedStatus), refusal)
    now = world.clock.real()
    return _Search(
        feed_types=feed_types,
        marketplace_ids=marketplace_ids,
        statuses=statuses,
        since=_moment(request, "createdSince", now - _RETENTION_SECONDS),
        until=_moment(request, "createdUntil", now),
        page_size=request.integer("pageSize", _PAGE_SIZE, _MAX_PAGE_SIZE, refusal),
    )


def _moment(request: Request, name: str, default: float) -> float:
    text = request.one(name)
    if text is None:
        return default
    moment = parse_time(text)
    if moment is None:
        raise invalid_parameters()
    return moment


def _token(search: _Search) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(search)).decode()


def _read_token(token: str) -> _Search:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token), type=_Search)
    except (ValueError, msgspec.DecodeError):
        _refuse()


def _refuse() -> NoReturn:
    raise invalid_parameters() from None


def get_feed_document(world: World, request: Request) -> Answer:
    """A fresh URL, good for five minutes. Input documents can be read back, too."""
    document = world.documents.find(request.account.seller_id, request.path["feedDocumentId"])
    # Amazon's own client writes Python's True.
    asked = (request.one(_ENCODING_HEADER) or "false").lower()
    if asked not in {"true", "false"}:
        raise invalid_parameters()
    gone = world.faults.strike("document_gone", operation=request.operation, seller=request.account.seller_id)
    if document is None or document.body is None or gone:
        raise Refusal(404, "NotFound", "The requested resource was not found.")
    is_gzip = document.is_gzip
    lie = world.faults.strike("gzip_flag_lies", operation=request.operation, seller=request.account.seller_id)
    if lie is not None:
        document, is_gzip = _lying(world, document, lie, request)
    encoding = "gzip" if is_gzip and asked == "true" else "identity"
    url = world.documents.sign(request.base_url, document, "GET", world.limits.url_seconds, content_encoding=encoding)
    answer: JsonObject = {"feedDocumentId": request.path["feedDocumentId"], "url": url}
    if is_gzip:
        answer["compressionAlgorithm"] = "GZIP"
    return Answer(200, answer)


def _lying(world: World, document: Document, rule: Rule, request: Request) -> tuple[Document, bool]:
    """A twin of *document* whose bytes are not what the flag says, and the flag."""
    twin = world.documents.create(request.account.seller_id, request.account.region, document.content_type)
    if rule.body == "gzip":
        twin.body = document.plain()
        twin.archive()
        twin.is_gzip = False
        return twin, False
    twin.body = document.plain()
    return twin, True


OPERATIONS = (
    Operation("createFeedDocument", "POST", f"{_BASE}/documents", Plan(0.5, 15), create_feed_document),
    Operation("getFeedDocument", "GET", f"{_BASE}/documents/{{feedDocumentId}}", Plan(0.0222, 10), get_feed_document),
    Operation("createFeed", "POST", f"{_BASE}/feeds", Plan(0.0083, 15), create_feed),
    Operation("getFeeds", "GET", f"{_BASE}/feeds", Plan(0.0222, 10), get_feeds),
    Operation("getFeed", "GET", f"{_BASE}/feeds/{{feedId}}", Plan(2, 15), get_feed),
    Operation("cancelFeed", "DELETE", f"{_BASE}/feeds/{{feedId}}", Plan(2, 15), cancel_feed),
)
