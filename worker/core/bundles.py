"""Bundles: an order item that ships as several components, in one update once all of them have left.

Requirement rows R97 to R101. Completion is a function of what all parcels of the order hold, whatever their order, the number of
messages, and who staged them.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from worker.core.parcels import Contribution


class Progress(msgspec.Struct, frozen=True, gc=False):
    """How far a bundle is: pieces `needed` and `shipped`, by SKU.

    `disagrees`: the parcels name different make-ups. Each of them must then be complete: an update that is held too long can still
    be sent, one that was sent too early cannot be taken back.
    """

    needed: Mapping[str, int]
    shipped: Mapping[str, int]
    disagrees: bool

    @property
    def missing(self) -> Mapping[str, int]:
        """Pieces that have not left yet, by SKU."""
        return beyond(self.needed, self.shipped)

    @property
    def surplus(self) -> Mapping[str, int]:
        """Pieces beyond the make-up, by SKU."""
        return beyond(self.shipped, self.needed)

    @property
    def is_complete(self) -> bool:
        return not self.missing


def progress(contributions: Iterable[Contribution]) -> Progress:
    """Return how far the bundle is to which all *contributions* belong, one from each parcel."""
    # No Counters: they cost more than everything else that staging does with a bundle.
    needed: dict[str, int] = {}
    shipped: dict[str, int] = {}
    make_ups = []
    for each in contributions:
        for sku, quantity in each.components.items():
            needed[sku] = max(quantity, needed.get(sku, 0))
        for sku, quantity in each.shipped.items():
            shipped[sku] = shipped.get(sku, 0) + quantity
        make_ups.append(each.components)
    return Progress(needed, shipped, disagrees=any(other != make_ups[0] for other in make_ups[1:]))


def beyond(pieces: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    """Return by how much each of *pieces* is more than its like among *others*."""
    return {sku: more for sku, quantity in pieces.items() if (more := quantity - others.get(sku, 0)) > 0}


def primary(contributions: Mapping[str, Contribution], which: str) -> Contribution:
    """Return the contribution whose parcel the update names: of the *last* or *first* one that left (A23). Ties: by facet."""
    ordered: Sequence[str] = sorted(contributions, key=lambda facet: (contributions[facet].shipped_at, facet))
    return contributions[ordered[0 if which == "first" else -1]]
