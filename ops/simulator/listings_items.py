"""Listings Items API 2021-08-01. Source: schema/amazon/listingsItems_2021-08-01.json."""

from __future__ import annotations

import uuid

from ops.simulator.answers import Answer, JsonObject, Refusal, bad_request, denied
from ops.simulator.catalogue import Item
from ops.simulator.feed_schema import INCLUDED_DATA, body_fault
from ops.simulator.item_view import issue_shown, shown
from ops.simulator.marketplaces import Marketplace
from ops.simulator.operations import Operation, Request
from ops.simulator.quota import Plan
from ops.simulator.submissions import Operation as Write
from ops.simulator.submissions import Submission, apply, judged, submitted
from ops.simulator.world import World

_ITEM = "/listings/2021-08-01/items/{sellerId}/{sku}"
_ITEMS = "/listings/2021-08-01/items/{sellerId}"
_MAX_PAGE_SIZE = 20
_PAGE_SIZE = 10
_MAX_IDENTIFIERS = 20
_MAX_RESULTS = 1000
_IDENTIFIER_TYPES = frozenset({"ASIN", "EAN", "FNSKU", "GTIN", "ISBN", "JAN", "MINSAN", "SKU", "UPC"})


def _malformed(name: str) -> Refusal:
    return bad_request(f"Invalid '{name}' provided.")


def _own_marketplace(request: Request) -> Marketplace:
    """The marketplace of the call; 403 for another seller's path."""
    if request.path["sellerId"] != request.account.seller_id:
        raise denied()
    return request.marketplace(_malformed("marketplaceIds"))


def _included(request: Request) -> set[str]:
    return set(request.choice("includedData", INCLUDED_DATA, _malformed("includedData"))) or {"summaries"}


def get_listings_item(world: World, request: Request) -> Answer:
    marketplace = _own_marketplace(request)
    included = _included(request)
    sku = request.path["sku"]
    item = world.catalogue.shelf(request.account.seller_id, marketplace.id).get(sku)
    if item is None:
        raise Refusal(404, "NOT_FOUND", f"SKU '{sku}' not found in marketplace {marketplace.id}", details=None)
    return Answer(200, shown(item, marketplace, included))


def search_listings_items(world: World, request: Request) -> Answer:
    """Items by identifier, or all; at most 20 a page, 1,000 in all. Unknown identifiers are left out."""
    marketplace = _own_marketplace(request)
    included = _included(request)
    page_size = request.integer("pageSize", _PAGE_SIZE, _MAX_PAGE_SIZE, _malformed("pageSize"))
    found = _found(world, request, marketplace)
    start = request.integer("pageToken", 1, _MAX_RESULTS, _malformed("pageToken")) - 1
    page = found[start : min(start + page_size, _MAX_RESULTS)]
    answer: JsonObject = {"numberOfResults": len(found), "items": [shown(item, marketplace, included) for item in page]}
    if start + page_size < min(len(found), _MAX_RESULTS):
        answer["pagination"] = {"nextToken": str(start + page_size + 1)}
    return Answer(200, answer)


def _found(world: World, request: Request, marketplace: Marketplace) -> list[Item]:
    shelf = world.catalogue.shelf(request.account.seller_id, marketplace.id)
    identifiers = request.many("identifiers")
    if not identifiers:
        return sorted(shelf.values(), key=lambda item: -item.updated_at)
    kind = request.one("identifiersType")
    if kind is None or kind not in _IDENTIFIER_TYPES:
        raise _malformed("identifiersType")
    if len(identifiers) > _MAX_IDENTIFIERS:
        raise _malformed("identifiers")
    if kind == "SKU":
        return [shelf[sku] for sku in dict.fromkeys(identifiers) if sku in shelf]
    if kind == "ASIN":
        return [item for item in shelf.values() if item.asin in identifiers]
    return []


def _write(world: World, request: Request, operation: Write, body: JsonObject) -> Answer:
    """Judge and apply one submission: 200 even when it is refused, then INVALID with its issues."""
    marketplace = _own_marketplace(request)
    if operation != "PATCH" and len(request.many("marketplaceIds")) > 1:
        raise _malformed("marketplaceIds")
    is_preview = request.one("mode") is not None
    if is_preview and (request.one("mode") != "VALIDATION_PREVIEW" or operation == "DELETE"):
        raise _malformed("mode")
    seller_id, sku = request.account.seller_id, request.path["sku"]
    shelf = world.shelf(seller_id, marketplace.id)
    if operation == "DELETE" and sku not in shelf.items:
        raise Refusal(404, "NOT_FOUND", f"SKU '{sku}' not found in marketplace {marketplace.id}", details=None)
    submission = judged(shelf, sku, operation, body)
    silent = world.faults.strike("accepted_not_applied", operation=request.operation, seller=seller_id) if not is_preview else None
    is_applied = submission.is_accepted and not is_preview and silent is None
    if is_applied:
        apply(shelf, submission, world.clock.real())
    if not is_preview:
        shelf.history.add(submitted(submission, world.clock.real(), is_applied=is_applied))
    return Answer(200, _submission_shown(submission, is_preview=is_preview))


def _submission_shown(submission: Submission, *, is_preview: bool) -> JsonObject:
    accepted = "VALID" if is_preview else "ACCEPTED"
    return {
        "sku": submission.sku,
        "status": accepted if submission.is_accepted else "INVALID",
        "submissionId": uuid.uuid4().hex,
        "issues": [issue_shown(issue) for issue in submission.issues],
    }


def patch_listings_item(world: World, request: Request) -> Answer:
    return _write(world, request, "PATCH", _body(request, "patches"))


def put_listings_item(world: World, request: Request) -> Answer:
    return _write(world, request, "UPDATE", _body(request, "attributes"))


def delete_listings_item(world: World, request: Request) -> Answer:
    return _write(world, request, "DELETE", {})


def _body(request: Request, content: str) -> JsonObject:
    body = request.json(bad_request("Request body is not valid JSON."))
    for name in ("productType", content):
        if name not in body:
            raise bad_request(f"'{name}' is required but not supplied.")
    if (fault := body_fault(body)) is not None:
        raise bad_request(fault)
    return body


OPERATIONS = (
    Operation("getListingsItem", "GET", _ITEM, Plan(5, 10), get_listings_item),
    Operation("putListingsItem", "PUT", _ITEM, Plan(5, 10), put_listings_item),
    Operation("patchListingsItem", "PATCH", _ITEM, Plan(5, 5), patch_listings_item),
    Operation("deleteListingsItem", "DELETE", _ITEM, Plan(5, 5), delete_listings_item),
    Operation("searchListingsItems", "GET", _ITEMS, Plan(5, 5), search_listings_items),
)
