"""Parcels: what a shipment message says of one, as the facets of its order carry it until it is at Amazon."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from worker.core.facets import Value


class Parcel(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """When and how it left. The texts are the elements of Amazon's FulfillmentData; without a carrier code there is none."""

    shipped_at: datetime
    carrier_code: str | None = None
    carrier_name: str | None = None
    shipping_method: str | None = None
    tracking_number: str | None = None


class Line(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Pieces of one order item: by Amazon's id, or by its SKU where the upstream does not know the id."""

    quantity: int
    item: str | None = None
    sku: str | None = None


class Lines(Parcel, frozen=True, gc=False, kw_only=True):
    """The order items that are in the parcel."""

    lines: list[Line]


class Contribution(Parcel, frozen=True, gc=False, kw_only=True):
    """What the parcel holds of the bundle with the order item id `item`: pieces `shipped` of its make-up `components`, by SKU."""

    item: str
    components: dict[str, int]
    shipped: dict[str, int]


def value_of(parcel: Lines | Contribution) -> Value:
    """Return *parcel* as the value of its facet."""
    return Value(msgspec.to_builtins(parcel))


def lines_of(value: Value) -> Lines:
    return msgspec.convert(value.value, Lines)


def contribution_of(value: Value) -> Contribution:
    return msgspec.convert(value.value, Contribution)


def contributions(values: Mapping[str, Value]) -> dict[str, dict[str, Contribution]]:
    """Return what *values*, by facet, hold of each bundle: bundle's order item id to facet to contribution."""
    found: dict[str, dict[str, Contribution]] = {}
    for facet, value in values.items():
        if "components" in value.value:
            each = contribution_of(value)
            found.setdefault(each.item, {})[facet] = each
    return found
