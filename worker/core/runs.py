"""A run: one import, order pull or re-sync of a connection, by hand, by schedule or by message. Requirement rows R10, R16."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from worker.core.json import JsonObject

if TYPE_CHECKING:
    from worker.core.connections import ConnectionSettings


class RunKind(StrEnum):
    """These words are routing keys, label values and arguments of `feedline run`."""

    IMPORT_LISTINGS = "import-listings"
    GET_ORDERS = "get-orders"
    SYNC_LISTINGS = "sync-listings"
    SYNC_ORDERS = "sync-orders"


class Trigger(StrEnum):
    """Who asked for a run. All three take the same way from there on."""

    MANUAL = "manual"
    SCHEDULE = "schedule"
    MESSAGE = "message"


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class RunEvent(StrEnum):
    TAKEN_UP = "taken_up"
    WORK_DONE = "work_done"
    WORK_FAILED = "work_failed"


TRANSITIONS: Final[Mapping[RunState, Mapping[RunEvent, RunState]]] = {
    # A run that waits for a call or for a feed stays RUNNING: nobody has to be told that it goes on.
    RunState.QUEUED: {RunEvent.TAKEN_UP: RunState.RUNNING},
    RunState.RUNNING: {
        RunEvent.TAKEN_UP: RunState.RUNNING,
        RunEvent.WORK_DONE: RunState.DONE,
        RunEvent.WORK_FAILED: RunState.FAILED,
    },
    RunState.DONE: {},
    RunState.FAILED: {},
}

UNDER_WAY: Final = (RunState.QUEUED, RunState.RUNNING)
ENDED: Final = (RunState.DONE, RunState.FAILED)

MOST_ATTEMPTS: Final = 20
"""How often in a row a step may fail, or its worker die, before its run has failed: some quarter of an hour."""


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """A step was taken, and there are more. `cursor`: where the next one begins; `summary`: what is known so far.

    `due_in`: when the next step may be taken; nothing to wait for by default.
    """

    cursor: JsonObject
    summary: JsonObject
    due_in: timedelta = timedelta(0)


class Done(msgspec.Struct, frozen=True):
    """The work is done; `summary` tells of it."""

    summary: JsonObject


class Failed(msgspec.Struct, frozen=True):
    """The work has failed for good: `fault` says why, and what to do, in sentences; `summary` what was done before."""

    fault: str
    summary: JsonObject


StepResult = Again | Done | Failed


def after(state: RunState, event: RunEvent) -> RunState:
    """Return the state that *event* leads to. Raises ValueError for what the table does not name."""
    try:
        return TRANSITIONS[state][event]
    except KeyError as error:
        raise ValueError(f"A run that is {state} cannot meet {event}.") from error


def every(settings: "ConnectionSettings", kind: RunKind) -> str | None:
    """Return the schedule of a connection's runs of *kind*; None where it has none."""
    match kind:
        case RunKind.IMPORT_LISTINGS:
            return settings.import_listings.every
        case RunKind.GET_ORDERS:
            return settings.get_orders.every
        case RunKind.SYNC_LISTINGS | RunKind.SYNC_ORDERS:
            return None
