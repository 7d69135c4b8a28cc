"""Feeds wait and are processed: one at a time per seller, region and feed type, in queue order.

Source: Feeds API 2021-06-30. Nothing runs in the background: `settle` brings every feed to where the
virtual clock says it is, and is called before anything is read or written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from ops.simulator.faults import Rule
from ops.simulator.limits import Limits
from ops.simulator.quota import Account


class FeedStatus(StrEnum):
    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    DONE = "DONE"
    CANCELLED = "CANCELLED"
    FATAL = "FATAL"


@dataclass(slots=True)
class Feed:
    """Times are virtual seconds. `faults`: rules that struck when the feed was created, by kind."""

    feed_id: str
    account: Account
    feed_type: str
    marketplace_ids: list[str]
    document_id: str
    created_at: float
    faults: dict[str, Rule]
    status: FeedStatus = FeedStatus.IN_QUEUE
    started_at: float | None = None
    ended_at: float | None = None
    released_at: float | None = None
    message_count: int = 0
    accepted: int = 0
    invalid: int = 0
    document_bytes: int = 0
    result_document_id: str | None = None
    sequence: int = 0

    @property
    def kind(self) -> str:
        return self.feed_type


@dataclass(slots=True)
class _Lane:
    waiting: list[Feed] = field(default_factory=list)
    free_at: float = -math.inf


LaneKey = tuple[str, str, str]


class FeedQueue:
    """Every feed ever created, and the lanes in which they wait."""

    def __init__(self, count: Callable[[Feed], int], finish: Callable[[Feed, float], FeedStatus]) -> None:
        """*count*: how many messages a feed has; *finish*: apply it at a virtual instant, and say how it ended."""
        self._count = count
        self._finish = finish
        self._feeds: dict[tuple[str, str], Feed] = {}
        self._lanes: dict[LaneKey, _Lane] = {}
        self._next_id = 472_015_020_301

    def add(
        self, account: Account, feed_type: str, marketplace_ids: list[str], document_id: str, *, now: float, faults: dict[str, Rule]
    ) -> Feed:
        feed = Feed(str(self._next_id), account, feed_type, marketplace_ids, document_id, now, faults, sequence=len(self._feeds))
        # Ids of one seller are not consecutive: other sellers' feeds lie between.
        self._next_id += 7
        self._feeds[account.seller_id, feed.feed_id] = feed
        self._lanes.setdefault((account.seller_id, account.region, feed_type), _Lane()).waiting.append(feed)
        return feed

    def find(self, seller_id: str, feed_id: str) -> Feed | None:
        return self._feeds.get((seller_id, feed_id))

    def __iter__(self) -> Iterator[Feed]:
        return iter(self._feeds.values())

    def cancel(self, feed: Feed, now: float) -> bool:
        """Take a feed out of its queue; False once it has left it."""
        if feed.status is not FeedStatus.IN_QUEUE:
            return False
        feed.status, feed.ended_at = FeedStatus.CANCELLED, now
        self._lane(feed).waiting.remove(feed)
        return True

    def release(self, feed: Feed, now: float) -> None:
        """Let a stuck feed go on from *now*."""
        feed.released_at = now

    def settle(self, now: float, limits: Limits) -> None:
        """Bring every lane to the virtual instant *now*."""
        for lane in self._lanes.values():
            while lane.waiting and self._advance(lane, lane.waiting[0], now, limits):
                lane.waiting.pop(0)

    def _advance(self, lane: _Lane, feed: Feed, now: float, limits: Limits) -> bool:
        """Move the first feed of a lane as far as *now* allows; True when it has ended."""
        if feed.status is FeedStatus.IN_QUEUE:
            starts = max(feed.created_at + limits.queue_seconds, lane.free_at)
            starts = held(feed, "feed_stuck_in_queue", feed.created_at, starts)
            if starts > now:
                return False
            if "feed_cancelled" in feed.faults:
                feed.status, feed.ended_at = FeedStatus.CANCELLED, starts
                return True
            feed.status, feed.started_at = FeedStatus.IN_PROGRESS, starts
            feed.message_count = self._count(feed)
        assert feed.started_at is not None
        ends = feed.started_at + limits.processing_base_seconds + limits.processing_seconds_per_message * feed.message_count
        ends = held(feed, "feed_stuck_in_progress", feed.started_at, ends)
        if ends > now:
            return False
        feed.ended_at = lane.free_at = ends
        feed.status = self._finish(feed, ends)
        return True

    def _lane(self, feed: Feed) -> _Lane:
        return self._lanes[feed.account.seller_id, feed.account.region, feed.feed_type]


class Held(Protocol):
    """What a fault can hold: a feed or a report."""

    @property
    def faults(self) -> Mapping[str, Rule]: ...
    @property
    def released_at(self) -> float | None: ...


def held(job: Held, kind: str, since: float, otherwise: float) -> float:
    """When *job* goes on: *otherwise*, unless a fault of *kind* holds it for longer."""
    rule = job.faults.get(kind)
    if rule is None:
        return otherwise
    held_until = math.inf if rule.seconds is None else since + rule.seconds
    if job.released_at is not None:
        held_until = min(held_until, job.released_at)
    return max(otherwise, held_until)
