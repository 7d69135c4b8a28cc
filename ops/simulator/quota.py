"""Usage plans: a token bucket per account and operation, and the limits that no header shows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`rate`: tokens per second; `burst`: what the bucket holds. Source: the model of each API."""

    rate: float
    burst: int


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most `count` submissions in any `seconds`: a sliding window."""

    count: int
    seconds: float


class Account(msgspec.Struct, frozen=True):
    """Whose quota it is: one application acting for one selling partner in one region."""

    client_id: str
    seller_id: str
    region: str


@dataclass(slots=True)
class _Bucket:
    tokens: float
    updated_at: float


@dataclass(slots=True)
class Quotas:
    """All buckets and windows. Times are virtual seconds; a refused call takes nothing."""

    _buckets: dict[tuple[Account, str], _Bucket] = field(default_factory=dict)
    _submissions: dict[tuple[Account, str], deque[float]] = field(default_factory=dict)

    def take(self, account: Account, operation: str, plan: Plan, now: float) -> bool:
        """Take one token of the bucket, or say that it is empty."""
        bucket = self._buckets.setdefault((account, operation), _Bucket(plan.burst, now))
        refilled = bucket.tokens + max(0.0, now - bucket.updated_at) * plan.rate
        bucket.tokens = min(float(plan.burst), refilled)
        bucket.updated_at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def give_back(self, account: Account, operation: str) -> None:
        """Return the token of a call that a further limit refused."""
        self._buckets[account, operation].tokens += 1

    def submit(self, account: Account, kind: str, window: Window, now: float) -> bool:
        """Count one submission of *kind*, or say that the window is full."""
        submissions = self._submissions.setdefault((account, kind), deque())
        while submissions and submissions[0] <= now - window.seconds:
            submissions.popleft()
        if len(submissions) >= window.count:
            return False
        submissions.append(now)
        return True
