"""The states of a feed, and the one table of what leads from one to the next."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class FeedState(StrEnum):
    """These words are routing keys and label values."""

    CUT = "cut"
    DOCUMENT_CREATED = "document_created"
    UPLOADED = "uploaded"
    SUBMITTING = "submitting"
    IN_QUEUE = "in_queue"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    SETTLED = "settled"
    CANCELLED = "cancelled"
    FATAL = "fatal"
    ABANDONED = "abandoned"


class FeedEvent(StrEnum):
    DOCUMENT_MADE = "document_made"
    DOCUMENT_LOST = "document_lost"
    UPLOAD_DONE = "upload_done"
    CALL_STARTED = "call_started"
    CALL_NOT_MADE = "call_not_made"
    AMAZON_ACCEPTED = "amazon_accepted"
    AMAZON_REFUSED = "amazon_refused"
    NOT_FOUND_AT_AMAZON = "not_found_at_amazon"
    PROCESSING_QUEUED = "processing_queued"
    PROCESSING_STARTED = "processing_started"
    PROCESSING_DONE = "processing_done"
    PROCESSING_CANCELLED = "processing_cancelled"
    PROCESSING_FATAL = "processing_fatal"
    REPORT_READ = "report_read"


_ENDINGS: Final = {
    FeedEvent.PROCESSING_DONE: FeedState.DONE,
    FeedEvent.PROCESSING_CANCELLED: FeedState.CANCELLED,
    FeedEvent.PROCESSING_FATAL: FeedState.FATAL,
}

TRANSITIONS: Final[Mapping[FeedState, Mapping[FeedEvent, FeedState]]] = {
    FeedState.CUT: {FeedEvent.DOCUMENT_MADE: FeedState.DOCUMENT_CREATED},
    FeedState.DOCUMENT_CREATED: {FeedEvent.UPLOAD_DONE: FeedState.UPLOADED, FeedEvent.DOCUMENT_LOST: FeedState.CUT},
    FeedState.UPLOADED: {FeedEvent.CALL_STARTED: FeedState.SUBMITTING},
    # Only an answer leads out. After a lost one the feed stays here until reconciliation has looked at Amazon's list:
    # back to UPLOADED only when Amazon surely does not have it, for from there it is sent again.
    FeedState.SUBMITTING: {
        FeedEvent.AMAZON_ACCEPTED: FeedState.IN_QUEUE,
        FeedEvent.CALL_NOT_MADE: FeedState.UPLOADED,
        FeedEvent.NOT_FOUND_AT_AMAZON: FeedState.UPLOADED,
        FeedEvent.AMAZON_REFUSED: FeedState.ABANDONED,
    },
    FeedState.IN_QUEUE: {
        FeedEvent.PROCESSING_QUEUED: FeedState.IN_QUEUE,
        FeedEvent.PROCESSING_STARTED: FeedState.IN_PROGRESS,
        **_ENDINGS,
    },
    FeedState.IN_PROGRESS: {
        FeedEvent.PROCESSING_QUEUED: FeedState.IN_PROGRESS,
        FeedEvent.PROCESSING_STARTED: FeedState.IN_PROGRESS,
        **_ENDINGS,
    },
    FeedState.DONE: {FeedEvent.REPORT_READ: FeedState.SETTLED},
    FeedState.SETTLED: {},
    FeedState.CANCELLED: {},
    FeedState.FATAL: {},
    FeedState.ABANDONED: {},
}

UNSENT: Final = (FeedState.CUT, FeedState.DOCUMENT_CREATED, FeedState.UPLOADED, FeedState.SUBMITTING)
AT_AMAZON: Final = (FeedState.IN_QUEUE, FeedState.IN_PROGRESS)
UNDECIDED_ENDINGS: Final = (FeedState.CANCELLED, FeedState.FATAL, FeedState.ABANDONED)


def after(state: FeedState, event: FeedEvent) -> FeedState:
    """Return the state that *event* leads to. Raises ValueError for what the table does not name."""
    try:
        return TRANSITIONS[state][event]
    except KeyError as error:
        raise ValueError(f"A feed that is {state} cannot meet {event}.") from error
