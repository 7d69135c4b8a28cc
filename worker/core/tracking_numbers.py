"""The carrier profile `extended`: which carrier a tracking number proves, by real patterns and check digits (A3, A6).

A number is named only where what it proves points to one carrier. What several could claim names none, and says who could.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from worker.core.detection import Detection
from worker.core.tracking_patterns import TRACKING_PATTERNS, Evidence, TrackingPattern

PROFILE: Final = "extended"

_BY_LENGTH: Final = {
    length: tuple((row.pattern.fullmatch, row) for row in TRACKING_PATTERNS if length in row.lengths)
    for length in {length for row in TRACKING_PATTERNS for length in row.lengths}
}
"""Every shipment is looked at, and of a number's length there are few rows."""


class Claim(NamedTuple):
    """A row that a number fits, check digit included, and the carrier and method that it then stands for."""

    row: TrackingPattern
    carrier: str
    method: str


def recognise(number: str) -> Detection:
    """Return what the patterns say of *number* (upper case, no spaces)."""
    held, failed = claims(number)
    notes = tuple([f"It looks like {row.name}, but its check digit is wrong." for row in failed])
    if not held:
        return Detection(profile=PROFILE, notes=notes)
    best = max(claim.row.evidence for claim in held)
    strongest = [claim for claim in held if claim.row.evidence is best]
    # A mark that nothing verifies decides only where nobody else's shape fits.
    rivals = strongest if any(claim.row.check for claim in strongest) else held
    if best is Evidence.SHAPE or len({claim.carrier for claim in rivals}) > 1:
        return Detection(profile=PROFILE, candidates=_carriers(held), notes=(*_undecided(rivals, best), *notes))
    # Of one carrier's rows the one that knows the method says more.
    chosen = max(strongest, key=lambda claim: bool(claim.method))
    return Detection(
        profile=PROFILE,
        rule=chosen.row.code,
        carrier=chosen.carrier,
        method=chosen.method,
        # A number that says nothing of the method takes none away from its own carrier.
        preserves_method=not chosen.method,
        notes=(f"The number is one of {chosen.row.name}{_proof(chosen.row)}.", *notes),
    )


def claims(number: str) -> tuple[list[Claim], list[TrackingPattern]]:
    """Return the rows that *number* fits, and those that it would fit with another check digit."""
    held: list[Claim] = []
    failed: list[TrackingPattern] = []
    for fullmatch, row in _BY_LENGTH.get(len(number), ()):
        match = fullmatch(number)
        if match is None:
            continue
        carrier = row.by_country.get(match["country"]) if row.by_country else row.carrier
        if carrier is None:
            continue
        if row.check is not None and row.check(match["serial"]) != match["digit"]:
            failed.append(row)
            continue
        service = match["service"] if row.methods else ""
        method = next((name for code, name in row.methods.items() if service.startswith(code)), "")
        held.append(Claim(row, carrier, method))
    return held, failed


def _carriers(held: Iterable[Claim]) -> tuple[str, ...]:
    """The carriers of *held*, each once, those with more evidence first."""
    return tuple(dict.fromkeys(claim.carrier for claim in sorted(held, key=lambda claim: -claim.row.evidence)))


def _undecided(rivals: list[Claim], best: Evidence) -> tuple[str, ...]:
    names = " or ".join(dict.fromkeys(f"{claim.row.name} ({claim.carrier})" for claim in rivals))
    if best is Evidence.SHAPE:
        return (f"It has the shape of {names}, which proves nothing: no carrier is named.",)
    return (f"It could be {names}: no carrier is named.",)


def _proof(row: TrackingPattern) -> str:
    return "" if row.check is None else ", and its check digit is right"
