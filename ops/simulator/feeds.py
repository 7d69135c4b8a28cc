"""Feeds API 2021-06-30. Source: schema/amazon/feeds_2021-06-30.json and Amazon's Feeds guide."""

from __future__ import annotations

from ops.simulator import downloads, searches
from ops.simulator.answers import Answer, JsonObject, Refusal, invalid_parameters, throttled
from ops.simulator.clock import amazon_time
from ops.simulator.documents import Document
from ops.simulator.faults import Rule
from ops.simulator.feed_queue import Feed
from ops.simulator.listings_feed import FEED_TYPE as JSON_LISTINGS_FEED
from ops.simulator.operations import Operation, Request
from ops.simulator.quota import Plan
from ops.simulator.world import PROCESSORS, World

_BASE = "/feeds/2021-06-30"
_MAX_MARKETPLACES = 25

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
    "items_left_out",
    "issue_for_unknown_message",
    "accepted_not_applied",
    "getfeeds_lag",
)


def create_feed_document(world: World, request: Request) -> Answer:
    content_type = request.json(invalid_parameters()).get("contentType")
    if not isinstance(content_type, str) or not content_type.strip():
        raise invalid_parameters()
    document = world.documents.create(request.account, content_type)
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
    document = world.documents.find(request.account, document_id) if isinstance(document_id, str) else None
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


def get_feeds(world: World, request: Request) -> Answer:
    """Newest first. Either feedTypes with filters, or nextToken alone."""
    now = world.clock.now()
    shown = [feed for feed in world.feeds if not _lags(feed, now)]
    page, next_token = searches.page(world, request.account, searches.read(world, request, "feedTypes"), shown)
    answer: JsonObject = {"feeds": [_shown(world, feed) for feed in page]}
    return Answer(200, answer if next_token is None else answer | {"nextToken": next_token})


def _lags(feed: Feed, now: float) -> bool:
    rule = feed.faults.get("getfeeds_lag")
    return rule is not None and now < feed.created_at + (rule.seconds or 0)


def get_feed_document(world: World, request: Request) -> Answer:
    return downloads.answer(world, request, "feedDocumentId")


OPERATIONS = (
    Operation("createFeedDocument", "POST", f"{_BASE}/documents", Plan(0.5, 15), create_feed_document),
    Operation("getFeedDocument", "GET", f"{_BASE}/documents/{{feedDocumentId}}", Plan(0.0222, 10), get_feed_document),
    Operation("createFeed", "POST", f"{_BASE}/feeds", Plan(0.0083, 15), create_feed),
    Operation("getFeeds", "GET", f"{_BASE}/feeds", Plan(0.0222, 10), get_feeds),
    Operation("getFeed", "GET", f"{_BASE}/feeds/{{feedId}}", Plan(2, 15), get_feed),
    Operation("cancelFeed", "DELETE", f"{_BASE}/feeds/{{feedId}}", Plan(2, 15), cancel_feed),
)
