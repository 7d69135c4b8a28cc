"""GET_MERCHANT_LISTINGS_ALL_DATA: the lines of the report, made one by one from the catalogue, or out of nothing.

Source: Amazon's "Report type values" for the columns; encodings and Japanese names as sellers report them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from itertools import chain, islice
from typing import NamedTuple
from zlib import crc32

import msgspec

from ops.simulator.catalogue import Attributes, Item, facets, status_of
from ops.simulator.limits import ReportRules
from ops.simulator.marketplaces import Marketplace

REPORT_TYPE = "GET_MERCHANT_LISTINGS_ALL_DATA"

COLUMNS = (
    "item-name", "item-description", "listing-id", "seller-sku", "price", "quantity", "open-date", "image-url", "item-is-marketplace",
    "product-id-type", "zshop-shipping-fee", "item-note", "item-condition", "zshop-category1", "zshop-browse-path",
    "zshop-storefront-feature", "asin1", "asin2", "asin3", "will-ship-internationally", "expedited-shipping", "zshop-boldface",
    "product-id", "bid-for-featured-placement", "add-delete", "pending-quantity", "fulfillment-channel", "merchant-shipping-group",
    "status",
)  # fmt: skip

_JAPANESE = {
    "item-name": "商品名", "listing-id": "出品ID", "seller-sku": "出品者SKU", "price": "価格", "quantity": "数量", "open-date": "出品日",
    "product-id-type": "商品IDタイプ", "item-note": "コンディション説明", "item-condition": "コンディション",
    "will-ship-internationally": "国外へ配送可", "expedited-shipping": "迅速な配送", "product-id": "商品ID", "pending-quantity": "在庫数",
    "fulfillment-channel": "フルフィルメント・チャンネル", "status": "ステータス",
}  # fmt: skip
HEADERS: Mapping[str, Mapping[str, str]] = {"ja_JP": _JAPANESE}
"""Names of columns by language; a column or a language that is not here has the English name."""

_CHARSETS = {"cp1252": "Cp1252", "utf-8": "UTF-8", "utf-8-sig": "UTF-8", "cp932": "Shift_JIS"}
_ZONES = {"NA": ("PST", -8), "EU": ("GMT", 0), "FE": ("JST", 9)}
_CONDITIONS = {
    "new_new": 11, "used_like_new": 1, "used_very_good": 2, "used_good": 3, "used_acceptable": 4, "collectible_like_new": 5,
    "collectible_very_good": 6, "collectible_good": 7, "collectible_acceptable": 8, "refurbished_refurbished": 10,
}  # fmt: skip
_LINES_A_PIECE = 1000
_BREAKS = str.maketrans("\t\r\n", "   ")


class MoreListings(msgspec.Struct, forbid_unknown_fields=True):
    """Lines beside those of the catalogue: `count` listings alike, whose `title` may name {sku}, and `lines` as they are."""

    count: int = 0
    prefix: str = "SKU-"
    start: int = 1
    digits: int = 1
    title: str = "Listing {sku}"
    lines: list[str] = []


class Contents(NamedTuple):
    """What one report is made of, as it stood when the report was processed."""

    marketplace: Marketplace
    items: Sequence[Item]
    more: Sequence[MoreListings]
    rules: ReportRules
    language: str

    @property
    def is_empty(self) -> bool:
        return not self.items and not any(more.count or more.lines for more in self.more)

    @property
    def encoding(self) -> str:
        if self.rules.encoding != "marketplace":
            return self.rules.encoding
        return "cp932" if self.marketplace.country == "JP" else "cp1252"

    @property
    def content_type(self) -> str:
        """What the download says of its encoding: the truth, unless the rules tell another."""
        charset = _CHARSETS[self.encoding] if self.rules.charset is None else self.rules.charset
        return f"text/plain; charset={charset}" if charset else "text/plain"

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the report, a thousand lines at a time. What the encoding does not have is a question mark."""
        lines = chain([self._header()], self._of_catalogue(), *(self._of_more(more) for more in self.more))
        newline = self.rules.newline
        encoding = self.encoding.removesuffix("-sig")
        if encoding != self.encoding:
            yield b"\xef\xbb\xbf"
        while batch := list(islice(lines, _LINES_A_PIECE)):
            yield (newline.join(batch) + newline).encode(encoding, errors="replace")

    @property
    def _columns(self) -> Sequence[str]:
        return self.rules.columns or COLUMNS

    def _header(self) -> str:
        names = HEADERS.get(self.language, {})
        return "\t".join(names.get(column, column) for column in self._columns)

    def _of_catalogue(self) -> Iterator[str]:
        for item in self.items:
            yield self._line(_cells(item, item.attributes, self.marketplace))

    def _of_more(self, more: MoreListings) -> Iterable[str]:
        """Millions of lines: one template, filled in."""
        template = self._line(
            {
                "item-name": more.title,
                "seller-sku": "{sku}",
                "listing-id": "{number:011d}",
                "asin1": "B0{number:08d}",
                "product-id": "B0{number:08d}",
                "product-id-type": "1",
                "price": "19.99",
                "quantity": "5",
                "open-date": "2020-10-15 02:09:18 PDT",
                "item-condition": "11",
                "fulfillment-channel": "DEFAULT",
                "status": "Active",
            }
        )
        numbers = range(more.start, more.start + more.count)
        skus = (f"{more.prefix}{number:0{more.digits}d}" for number in numbers)
        return chain(more.lines, (template.format(sku=sku, number=number) for sku, number in zip(skus, numbers, strict=True)))

    def _line(self, cells: Mapping[str, str]) -> str:
        return "\t".join([cells.get(column, "").translate(_BREAKS) for column in self._columns])


def _cells(item: Item, attributes: Attributes, marketplace: Marketplace) -> dict[str, str]:
    """The cells of one listing by column; quantity is empty for stock of Amazon's."""
    found = facets(item, attributes)
    is_fba = str(found.channel).startswith("AMAZON_")
    asin = item.asin or ""
    condition = _CONDITIONS.get(_value(attributes, "condition_type"), 11)
    return {
        "item-name": _value(attributes, "item_name") or item.product_title or "",
        "item-description": _value(attributes, "product_description"),
        "listing-id": f"{crc32(item.sku.encode()):011d}",
        "seller-sku": item.sku,
        "price": "" if found.price is None else format(found.price, "f"),
        "quantity": "" if is_fba or found.quantity is None else str(found.quantity),
        "open-date": _open_date(item.created_at, marketplace.region),
        "item-is-marketplace": "y",
        "product-id-type": "1" if asin else "",
        "item-note": _value(attributes, "condition_note"),
        "item-condition": str(condition),
        "asin1": asin,
        "product-id": asin,
        "will-ship-internationally": "1",
        "pending-quantity": "0",
        "fulfillment-channel": found.channel or "DEFAULT",
        "merchant-shipping-group": _value(attributes, "merchant_shipping_group"),
        "status": _status(item, attributes),
    }


def _value(attributes: Attributes, name: str) -> str:
    instances = attributes.get(name)
    return str(instances[0].get("value", "")) if instances else ""


def _open_date(real: float, region: str) -> str:
    name, hours = _ZONES[region]
    return f"{datetime.fromtimestamp(real, timezone(timedelta(hours=hours))):%Y-%m-%d %H:%M:%S} {name}"


def _status(item: Item, attributes: Attributes) -> str:
    if not item.is_listing:
        return "Incomplete"
    return "Active" if "BUYABLE" in status_of(item, attributes) else "Inactive"
