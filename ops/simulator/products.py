"""Amazon's own catalogue in one marketplace: the products that an offer can be attached to."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ops.simulator.identifiers import common_form


class Product(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`identifiers`: UPC, EAN, JAN, ISBN or GTIN, written in any of these ways."""

    asin: str
    title: str | None = None
    product_type: str | None = None
    identifiers: list[str] = []


class Products:
    """Products by ASIN and by identifier. One identifier may belong to several products, as happens at Amazon."""

    def __init__(self) -> None:
        self._by_asin: dict[str, Product] = {}
        self._by_identifier: dict[str, list[str]] = {}
        # ASINs of listings that were put in place: of 200,000 generated ones only the name is kept.
        self._listed: set[str] = set()

    def register(self, product: Product) -> None:
        """Make *product* known, in the place of what its ASIN was."""
        if (before := self._by_asin.get(product.asin)) is not None:
            for identifier in before.identifiers:
                self._by_identifier[common_form(identifier)].remove(product.asin)
        self._by_asin[product.asin] = product
        for identifier in product.identifiers:
            self._by_identifier.setdefault(common_form(identifier), []).append(product.asin)

    def list_asin(self, asin: str) -> None:
        """Make the product of a listing known by its ASIN alone."""
        self._listed.add(asin)

    def knows(self, asin: str) -> bool:
        return asin in self._by_asin or asin in self._listed

    def find(self, asin: str | None) -> Product | None:
        """What was registered for *asin*."""
        return None if asin is None else self._by_asin.get(asin)

    def with_identifier(self, identifier: str) -> list[str]:
        """The ASINs of every product with that number."""
        return self._by_identifier.get(common_form(identifier), [])

    def __iter__(self) -> Iterator[Product]:
        return iter(self._by_asin.values())
