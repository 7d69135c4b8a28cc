"""What becomes of a message: the fate of each of its facets, and the one outcome that follows."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from worker.core.issues import Issue, Severity


class Outcome(StrEnum):
    """The terminal words. A message ends with exactly one."""

    ACCEPTED = "accepted"
    ACCEPTED_WITH_WARNINGS = "accepted_with_warnings"
    REJECTED = "rejected"
    INVALID = "invalid"
    SUPERSEDED = "superseded"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a message was skipped, or a change is held."""

    NOTHING_TO_SEND = "nothing_to_send"
    EMPTY_FULFILLMENT = "empty_fulfillment"
    CONNECTION_PAUSED = "connection_paused"
    NOT_AUTHORIZED = "not_authorized"
    QUANTITY_UNKNOWN = "quantity_unknown"
    BUNDLE_PARTIAL = "bundle_partial"
    ORDER_UNKNOWN = "order_unknown"
    NON_MANAGED = "non_managed"
    FEEDS_FAILING = "feeds_failing"


PRECEDENCE: Final = (
    # What was sent decides, the worst first.
    Outcome.INVALID,
    Outcome.REJECTED,
    Outcome.ACCEPTED_WITH_WARNINGS,
    Outcome.ACCEPTED,
    # Nothing was sent: known to stand at Amazon goes before replaced by a newer one.
    Outcome.UNCHANGED,
    Outcome.SUPERSEDED,
    Outcome.SKIPPED,
)


class Fate(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What became of one facet of a message."""

    outcome: Outcome
    by: int | None = None
    reason: str | None = None
    issues: tuple[Issue, ...] = ()


class Settled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message that has come to its end. `published` is in seconds since the epoch."""

    message: int
    type: str
    published: float
    outcome: Outcome
    reason: str | None = None
    by: int | None = None
    issues: tuple[Issue, ...] = ()
    facets: Mapping[str, Fate]
    feed_id: int | None = None
    feed_message_id: int | None = None

    @property
    def is_mixed(self) -> bool:
        """Whether the facets met different fates, so that the outcome alone does not tell them."""
        fates = list(self.facets.values())
        return len(fates) > 1 and fates.count(fates[0]) < len(fates)


def settle(
    message: int,
    type_: str,
    published: float,
    facets: Mapping[str, Fate],
    warnings: Sequence[Issue] = (),
    nothing: Reason = Reason.NOTHING_TO_SEND,
) -> Settled:
    """Return the outcome of a message whose facets have all come to an end. *nothing*: why there is none, where there is none.

    A facet that was refused makes the message refused, whatever became of the others. Source: the contract's "What
    became of each message".
    """
    if not facets:
        return Settled(
            message=message,
            type=type_,
            published=published,
            outcome=Outcome.SKIPPED,
            reason=nothing,
            issues=tuple(warnings),
            facets=facets,
        )
    fates = list(facets.values())
    deciding = fates[0]
    if fates.count(deciding) == len(fates):
        issues = deciding.issues
    else:
        deciding = min(fates, key=lambda fate: PRECEDENCE.index(fate.outcome))
        issues = _all_issues(fates)
    outcome, told = deciding.outcome, (*warnings, *issues)
    if outcome is Outcome.ACCEPTED and any(found.severity is not Severity.INFO for found in told):
        outcome = Outcome.ACCEPTED_WITH_WARNINGS
    return Settled(
        message=message,
        type=type_,
        published=published,
        outcome=outcome,
        reason=deciding.reason,
        by=deciding.by,
        issues=told,
        facets=facets,
    )


def _all_issues(fates: Iterable[Fate]) -> tuple[Issue, ...]:
    return tuple(dict.fromkeys(issue for fate in fates for issue in fate.issues))
