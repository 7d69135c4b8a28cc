"""Which product an offer is for: by its ASIN, else by the number on its packaging.

The codes are those sellers report; no list of them is published.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from ops.simulator.attributes import Issue
from ops.simulator.identifiers import common_form
from ops.simulator.limits import Limits
from ops.simulator.products import Products

ASIN, IDENTIFIER = "merchant_suggested_asin", "externally_assigned_product_identifier"
CODES = frozenset({"8541", "8542", "8560", "13013"})


class Match(NamedTuple):
    """The product's ASIN, or the issues that say why there is none."""

    asin: str | None = None
    issues: tuple[Issue, ...] = ()


def match(products: Products, limits: Limits, asin: str | None, identifier: str | None) -> Match:
    """The product that a submission names. Both arguments are well-formed or None; the ASIN counts first."""
    found = [] if identifier is None else products.with_identifier(identifier)
    if asin is not None:
        if not _is_known(products, limits, asin):
            return Match(issues=not_in_catalogue(ASIN))
        if found and asin not in found:
            text = f"The identifiers match ASIN {found[0]}, but other attributes contradict the catalogue."
            return Match(issues=(Issue("8541", text, attribute=IDENTIFIER),))
        return Match(asin)
    if len(found) > 1:
        return Match(issues=(Issue("8542", f"The identifiers match more than one ASIN: {', '.join(found)}.", attribute=IDENTIFIER),))
    if found:
        return Match(found[0])
    if identifier is not None and limits.unregistered_products == "known":
        return Match(invented_asin(common_form(identifier)))
    return Match(issues=not_in_catalogue(IDENTIFIER))


def _is_known(products: Products, limits: Limits, asin: str) -> bool:
    return asin not in limits.unknown_asins and (products.knows(asin) or limits.unregistered_products == "known")


def not_in_catalogue(attribute: str) -> tuple[Issue, ...]:
    return (
        not_enough(attribute),
        Issue("13013", "The offer cannot be added because the product is not in the Amazon catalogue.", attribute=attribute),
    )


def not_enough(attribute: str) -> Issue:
    return Issue("8560", "There is not enough information to match an ASIN or to create one.", attribute=attribute)


def invented_asin(text: str) -> str:
    """An ASIN that is always the same for *text*."""
    return f"B0{hashlib.sha256(text.encode()).hexdigest()[:8].upper()}"
