"""The values of facets in words, for the tables of commands."""

from collections.abc import Iterable, Mapping
from typing import Any

from worker.core.facets import LISTING, topic_of


def value_in_words(facet: Mapping[str, Any]) -> str | None:
    """Return what the facet of a trace or a preview wants to be; None where that is not known any more."""
    if facet.get("cleared"):
        return "deleted" if facet["facet"] == LISTING else "cleared"
    value = facet.get("value")
    if value is None:
        return None
    if topic_of(facet["facet"]):
        return _contents(value)
    return ", ".join(value["attributes"]) if facet["facet"] == LISTING else str(value)


def pieces(counts: Iterable[tuple[str, int]]) -> str:
    """Return pieces by SKU or order item as "2 of MUG, 1 of CUP"."""
    return ", ".join(f"{count} of {what}" for what, count in counts)


def _contents(parcel: Mapping[str, Any]) -> str:
    """Return what a parcel holds: order items, or components of a bundle."""
    if "shipped" in parcel:
        return pieces(parcel["shipped"].items())
    return pieces((line.get("item") or line["sku"], line["quantity"]) for line in parcel["lines"])
