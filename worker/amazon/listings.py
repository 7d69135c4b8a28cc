"""Listings Items API 2021-08-01: what Amazon knows of a SKU. Rows R6 (exact SKUs), R67 (product type)."""

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from threading import Event
from typing import Final, NamedTuple

import msgspec

from worker.amazon.gateway import Call, Gateway
from worker.core.accounts import Seller
from worker.errors import Later, Refused

API: Final = ("listings", "2021-08-01", "items")
MOST_SKUS: Final = 20
"""Identifiers of one search; Amazon's model."""

SHORT_WAIT: Final = timedelta(seconds=1)

_INCLUDED: Final = ("summaries", "productTypes", "fulfillmentAvailability")


class ListingsItem(NamedTuple):
    """A listing in the seller's marketplace. `channels`: the fulfillment channel codes that Amazon reports; DEFAULT is the seller."""

    sku: str
    product_type: str | None
    asin: str | None
    channels: tuple[str, ...]


class _Summary(msgspec.Struct, rename="camel"):
    marketplace_id: str
    product_type: str | None = None
    asin: str | None = None


class _ProductType(msgspec.Struct, rename="camel"):
    marketplace_id: str
    product_type: str


class _Availability(msgspec.Struct, rename="camel"):
    fulfillment_channel_code: str


class _Item(msgspec.Struct, rename="camel"):
    sku: str
    summaries: list[_Summary] = []
    product_types: list[_ProductType] = []
    fulfillment_availability: list[_Availability] = []


class _Found(msgspec.Struct, rename="camel"):
    items: list[_Item]


class Listings(Gateway):
    """Every call raises what `Gateway` says; none is repeated here."""

    def search_listings(self, seller: Seller, skus: Sequence[str]) -> list[ListingsItem]:
        """Return those of *skus*, at most 20, that Amazon lists in the seller's marketplace: spelt exactly so, in no order.

        A SKU with a comma does not fit into the list that a search takes; it costs a call of its own.
        Raises: ValueError for more than `MOST_SKUS`.
        """
        if len(skus) > MOST_SKUS:
            raise ValueError(f"one search takes {MOST_SKUS} SKUs, not {len(skus)}")
        alone = (self._patiently_get(seller, sku) for sku in skus if "," in sku)
        found = [item for item in alone if item is not None]
        together = [sku for sku in skus if "," not in sku]
        if together:
            query = {
                "marketplaceIds": [seller.marketplace_id],
                "identifiersType": "SKU",
                "identifiers": together,
                "includedData": _INCLUDED,
                "pageSize": str(MOST_SKUS),
            }
            call = Call("searchListingsItems", "GET", (*API, seller.account.selling_partner_id), query=query)
            items = self._call(seller.account, call, _Found).items
            found += [_listing(item, seller.marketplace_id) for item in items if item.sku in together]
        return found

    def get_listings_item(self, seller: Seller, sku: str) -> ListingsItem | None:
        """Return the listing of *sku*, or None when Amazon does not list it in the seller's marketplace."""
        query = {"marketplaceIds": [seller.marketplace_id], "includedData": _INCLUDED}
        call = Call("getListingsItem", "GET", (*API, seller.account.selling_partner_id, sku), query=query)
        try:
            item = self._call(seller.account, call, _Item)
        except Refused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        return _listing(item, seller.marketplace_id) if item.sku == sku else None

    def _patiently_get(self, seller: Seller, sku: str) -> ListingsItem | None:
        """As `get_listings_item`, but wait out a short Later: a search of 20 such SKUs would else begin anew for ever."""
        try:
            return self.get_listings_item(seller, sku)
        except Later as later:
            wait = later.at - self._clock.now()
            if wait > SHORT_WAIT:
                raise
            self._clock.wait(Event(), wait.total_seconds())
            return self.get_listings_item(seller, sku)


def _listing(item: _Item, marketplace_id: str) -> ListingsItem:
    summary = next((summary for summary in item.summaries if summary.marketplace_id == marketplace_id), None)
    types = [named.product_type for named in item.product_types if named.marketplace_id == marketplace_id]
    if summary is not None and summary.product_type:
        types.append(summary.product_type)
    channels = tuple(sorted({available.fulfillment_channel_code for available in item.fulfillment_availability}))
    return ListingsItem(item.sku, types[0] if types else None, summary.asin if summary else None, channels)
