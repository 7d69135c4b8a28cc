"""The table of a feed's states: what leads where, and what never may."""

import re
from pathlib import Path

import pytest

import schema.migrations.versions
from worker.core.states import AT_AMAZON, TRANSITIONS, UNDECIDED_ENDINGS, UNSENT, FeedEvent, FeedState, after

ALLOWED = {
    ("cut", "document_made"): "document_created",
    ("document_created", "upload_done"): "uploaded",
    ("document_created", "document_lost"): "cut",
    ("uploaded", "call_started"): "submitting",
    ("submitting", "amazon_accepted"): "in_queue",
    ("submitting", "call_not_made"): "uploaded",
    ("submitting", "not_found_at_amazon"): "uploaded",
    ("submitting", "amazon_refused"): "abandoned",
    ("in_queue", "processing_queued"): "in_queue",
    ("in_queue", "processing_started"): "in_progress",
    ("in_queue", "processing_done"): "done",
    ("in_queue", "processing_cancelled"): "cancelled",
    ("in_queue", "processing_fatal"): "fatal",
    ("in_progress", "processing_queued"): "in_progress",
    ("in_progress", "processing_started"): "in_progress",
    ("in_progress", "processing_done"): "done",
    ("in_progress", "processing_cancelled"): "cancelled",
    ("in_progress", "processing_fatal"): "fatal",
    ("done", "report_read"): "settled",
}


@pytest.mark.parametrize("event", FeedEvent)
@pytest.mark.parametrize("state", FeedState)
def test_a_state_meets_only_the_events_that_the_table_names(state: FeedState, event: FeedEvent) -> None:
    expected = ALLOWED.get((state, event))

    if expected is None:
        with pytest.raises(ValueError, match=f"A feed that is {state} cannot meet {event}"):
            after(state, event)
    else:
        assert after(state, event) == expected


def test_every_state_is_reached_from_cut() -> None:
    reached, new = set[FeedState](), {FeedState.CUT}
    while new:
        reached |= new
        new = {state for each in new for state in TRANSITIONS[each].values()} - reached

    assert reached == set(FeedState)


def test_every_event_leads_somewhere() -> None:
    assert {event for row in TRANSITIONS.values() for event in row} == set(FeedEvent)


def test_a_lost_answer_never_leads_back_to_sending_by_itself() -> None:
    """Out of `submitting` leads only what Amazon has said, or a call that surely was not made."""
    assert TRANSITIONS[FeedState.SUBMITTING].keys() == {
        FeedEvent.AMAZON_ACCEPTED,
        FeedEvent.AMAZON_REFUSED,
        FeedEvent.CALL_NOT_MADE,
        FeedEvent.NOT_FOUND_AT_AMAZON,
    }


def test_every_state_is_unsent_at_amazon_or_an_end() -> None:
    ends = {FeedState.DONE, FeedState.SETTLED, *UNDECIDED_ENDINGS}

    assert sorted((*UNSENT, *AT_AMAZON, *ends)) == sorted(FeedState)


def test_the_database_allows_the_same_states() -> None:
    (folder,) = schema.migrations.versions.__path__
    sql = (Path(folder) / "0001_initial.sql").read_text()
    table = sql[sql.index("CREATE TABLE feed (") :]

    check = re.search(r"state\s+text NOT NULL CHECK \(state IN \(([^)]*)\)\)", table)

    assert check is not None
    assert set(re.findall(r"'(\w+)'", check[1])) == set(FeedState)
