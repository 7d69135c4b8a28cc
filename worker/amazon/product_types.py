"""Product Type Definitions API 2020-09-01: find the name of a product type. Row R69."""

from collections.abc import Sequence
from typing import Final

import msgspec

from worker.amazon.gateway import Call, Gateway
from worker.core.accounts import Seller

API: Final = ("definitions", "2020-09-01", "productTypes")


class ProductType(msgspec.Struct, frozen=True, rename="camel"):
    """`name` goes into feeds, `display_name` is for people."""

    name: str
    display_name: str


class _Found(msgspec.Struct, rename="camel"):
    product_types: list[ProductType]


class ProductTypes(Gateway):
    def search_product_types(self, seller: Seller, keywords: Sequence[str]) -> list[ProductType]:
        """Return the product types of the seller's marketplace that fit *keywords*; all of them for none."""
        query: dict[str, Sequence[str]] = {"marketplaceIds": [seller.marketplace_id]}
        if keywords:
            query["keywords"] = keywords
        return self._call(seller.account, Call("searchDefinitionsProductTypes", "GET", API, query=query), _Found).product_types
