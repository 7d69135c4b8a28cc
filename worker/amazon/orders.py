"""Orders API 2026-01-01, its reads: searchOrders and getOrder. No restricted data token: the application's roles decide what shows."""

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

from worker.amazon.gateway import Call, Gateway
from worker.core.accounts import Seller
from worker.core.message_data import instant
from worker.errors import Refused

API: Final = ("orders", "2026-01-01", "orders")
PAGE_SIZE: Final = 100
"""The most that Amazon gives, for a page costs three minutes of the usage plan."""


class PageTokenRefused(Exception):
    """Amazon does not go on from this page token any more: it lives for a day. The search has to begin anew."""


class OrderPage(NamedTuple):
    """`orders`: each as Amazon's JSON, so that one that cannot be read does not hide the others.

    `until`: the upper bound that Amazon used, as far as it tells; `next_token`: None on the last page.
    """

    orders: Sequence[bytes]
    until: datetime | None
    next_token: str | None

    def __repr__(self) -> str:
        return f"OrderPage({len(self.orders)} orders)"  # what they say is personal


class _Pagination(msgspec.Struct, rename="camel"):
    next_token: str | None = None


class _Found(msgspec.Struct, rename="camel"):
    orders: list[msgspec.Raw]
    pagination: _Pagination | None = None
    last_updated_before: str | None = None


class _One(msgspec.Struct):
    order: msgspec.Raw


class Orders(Gateway):
    """Every call raises what `Gateway` says; none is repeated here."""

    def search_orders(
        self, seller: Seller, since: datetime, until: datetime | None, included_data: Sequence[str], page_token: str | None = None
    ) -> OrderPage:
        """Return a page of the orders of the seller's marketplace that were updated from *since* to *until*, in no order.

        *until* None: up to two minutes before Amazon's now. *page_token*: of the page before, for the same *since* and *until*.
        Raises: PageTokenRefused.
        """
        query: dict[str, str | Sequence[str]] = {
            "lastUpdatedAfter": _written(since),
            "marketplaceIds": [seller.marketplace_id],
            "maxResultsPerPage": str(PAGE_SIZE),
            "includedData": included_data,
        }
        if until is not None:
            query["lastUpdatedBefore"] = _written(until)
        if page_token is not None:
            query["paginationToken"] = page_token
        try:
            found = self._call(seller.account, Call("searchOrders", "GET", API, query=query), _Found)
        except Refused as refused:
            if page_token is not None and refused.status == HTTPStatus.BAD_REQUEST:
                raise PageTokenRefused from refused
            raise
        next_token = None if found.pagination is None else found.pagination.next_token
        return OrderPage([bytes(order) for order in found.orders], _bound(found.last_updated_before), next_token or None)

    def get_order(self, seller: Seller, amazon_order_id: str, included_data: Sequence[str]) -> bytes | None:
        """Return an order as Amazon's JSON, or None when the seller has none of that id."""
        call = Call("getOrder", "GET", (*API, amazon_order_id), query={"includedData": included_data})
        try:
            return bytes(self._call(seller.account, call, _One).order)
        except Refused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return None
            raise


def _bound(told: str | None) -> datetime | None:
    try:
        return instant(told)
    except ValueError:
        return None


def _written(moment: datetime) -> str:
    """Return *moment* to the millisecond, the same text for every page."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
