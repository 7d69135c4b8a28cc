"""The one outcome that follows from what became of a message's facets: the contract's sentences, row by row."""

import pytest

from worker.core.issues import Issue, Severity
from worker.core.outcomes import PRECEDENCE, Fate, Outcome, settle

ACCEPTED = Fate(Outcome.ACCEPTED)
WARNED = Fate(Outcome.ACCEPTED_WITH_WARNINGS, issues=(Issue(code="w", message="", severity=Severity.WARNING),))
REJECTED = Fate(Outcome.REJECTED, reason="90220", issues=(Issue(code="90220", message=""),))
SUPERSEDED = Fate(Outcome.SUPERSEDED, by=9)
UNCHANGED = Fate(Outcome.UNCHANGED)
SKIPPED = Fate(Outcome.SKIPPED, reason="nothing_to_send")
INVALID = Fate(Outcome.INVALID, reason="TOO_LARGE_FOR_A_FEED")


@pytest.mark.requirement("R116")
@pytest.mark.parametrize(
    ("fates", "outcome"),
    [
        # The worst of what was sent.
        ((ACCEPTED, ACCEPTED), "accepted"),
        ((ACCEPTED, WARNED), "accepted_with_warnings"),
        ((ACCEPTED, REJECTED), "rejected"),
        ((WARNED, REJECTED), "rejected"),
        # What was sent goes before what was not.
        ((SUPERSEDED, ACCEPTED), "accepted"),
        ((UNCHANGED, WARNED), "accepted_with_warnings"),
        ((SUPERSEDED, REJECTED), "rejected"),
        ((SKIPPED, ACCEPTED), "accepted"),
        # Superseded only when none was sent because newer ones were.
        ((SUPERSEDED,), "superseded"),
        ((SUPERSEDED, SUPERSEDED), "superseded"),
        # Unchanged when every facet stands, or some stand and the others were superseded.
        ((UNCHANGED,), "unchanged"),
        ((UNCHANGED, UNCHANGED), "unchanged"),
        ((UNCHANGED, SUPERSEDED), "unchanged"),
        # Nothing to send.
        ((), "skipped"),
        ((SKIPPED,), "skipped"),
        # Refused by us when it was rendered.
        ((INVALID, SUPERSEDED), "invalid"),
    ],
)
def test_the_outcome_follows_from_the_facets(fates: tuple[Fate, ...], outcome: str) -> None:
    for order in (fates, fates[::-1]):
        settled = settle(1, "feedline.inventory.v1", 0.0, {f"facet {number}": fate for number, fate in enumerate(order)})

        assert settled.outcome == outcome


def test_every_outcome_has_its_place_in_the_precedence() -> None:
    assert sorted(PRECEDENCE) == sorted(Outcome)


def test_the_reason_and_the_winner_are_those_of_the_facet_that_decides() -> None:
    rejected = settle(1, "", 0.0, {"price": SUPERSEDED, "quantity": REJECTED})
    superseded = settle(1, "", 0.0, {"price": SUPERSEDED, "quantity": SKIPPED})

    assert (rejected.reason, rejected.by) == ("90220", None)
    assert (superseded.reason, superseded.by) == (None, 9)


def test_a_message_without_facets_says_that_there_is_nothing_to_send() -> None:
    assert settle(1, "", 0.0, {}).reason == "nothing_to_send"


def test_issues_of_all_facets_are_told_once() -> None:
    settled = settle(1, "", 0.0, {"price": REJECTED, "quantity": REJECTED, "handling_time": WARNED})

    assert [issue.code for issue in settled.issues] == ["90220", "w"]


def test_a_warning_of_ours_makes_an_accepted_message_one_with_warnings() -> None:
    warning = Issue(code="QUANTITY_NEGATIVE", message="", severity=Severity.WARNING)

    assert settle(1, "", 0.0, {"quantity": ACCEPTED}, [warning]).outcome == "accepted_with_warnings"
    assert settle(1, "", 0.0, {"quantity": UNCHANGED}, [warning]).outcome == "unchanged"


def test_a_mere_information_is_no_warning() -> None:
    information = Fate(Outcome.ACCEPTED, issues=(Issue(code="i", message="", severity=Severity.INFO),))

    assert settle(1, "", 0.0, {"price": information}).outcome == "accepted"
