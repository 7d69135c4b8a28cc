"""Bundles: an order item that ships as several components, in one update once all of them have left.

Requirement rows R97 to R101. Completion is a function of what all parcels of the order hold, whatever their order, the number of
messages, and who staged them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from worker.core.parcels import Contribution


class Progress(NamedTuple):
    """How far a bundle is. `missing`: pieces that have not left yet, by SKU. `surplus`: pieces beyond the make-up, by SKU.

    `disagrees`: the parcels name different make-ups. Each of them must then be complete: an update that is held too long can still
    be sent, one that was sent too early cannot be taken back.
    """

    missing: Mapping[str, int]
    surplus: Mapping[str, int]
    disagrees: bool

    @property
    def is_complete(self) -> bool:
        return not self.missing


def progress(contributions: Iterable[Contribution]) -> Progress:
    """Return how far the bundle is to which all *contributions* belong, one from each parcel."""
    needed: Counter[str] = Counter()
    shipped: Counter[str] = Counter()
    make_ups = []
    for each in contributions:
        needed |= Counter(each.components)
        shipped.update(each.shipped)
        make_ups.append(each.components)
    return Progress(dict(needed - shipped), dict(shipped - needed), any(other != make_ups[0] for other in make_ups))


def primary(contributions: Mapping[str, Contribution], which: str) -> Contribution:
    """Return the contribution whose parcel the update names: of the *last* or *first* one that left (A23). Ties: by facet."""
    ordered: Sequence[str] = sorted(contributions, key=lambda facet: (contributions[facet].shipped_at, facet))
    return contributions[ordered[0 if which == "first" else -1]]
