"""Usage plans as values: token buckets and sliding windows that never let Amazon's own run dry.

Amazon takes a call's token when the call arrives; we take ours before it leaves, and learn afterwards that it has
arrived. A call under way is therefore a *lease*, and one rule keeps us inside Amazon's bucket, whatever the delays:

    our tokens + calls that have not arrived yet <= Amazon's tokens

It holds because a bucket with n leases holds at most `burst - n`: Amazon's bucket may be full, and so gain nothing,
while our calls are still on their way. And because Amazon's is never below zero, ours is never below -n.

All times are seconds since 1970 on Postgres' clock, the one clock of the fleet. Nothing here reads it.
Source: Amazon's "Usage plans and rate limits in the SP-API". The proof by trial is tests/core/test_quota.py.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, NewType, Self

import msgspec
from msgspec.structs import replace

Lease = NewType("Lease", str)
"""The right to make one call, good until the call is answered or the lease's life ends."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Amazon's usage plan of one operation. `rate`: calls a second; `burst`: calls at once.

    For a window: `burst` calls in any `burst / rate` seconds.
    """

    rate: float
    burst: int

    def __post_init__(self) -> None:
        if not self.rate > 0 or self.burst < 1:
            raise ValueError("a usage plan has a rate above zero and a burst of at least one call")


# Source: the rate and burst that Amazon's published models give for each operation.
PUBLISHED: Final[Mapping[str, Plan]] = {
    "createFeedDocument": Plan(0.5, 15),
    "createFeed": Plan(0.0083, 15),
    "getFeed": Plan(2, 15),
    "getFeeds": Plan(0.0222, 10),
    "getFeedDocument": Plan(0.0222, 10),
    "cancelFeed": Plan(2, 15),
    "createReport": Plan(0.0167, 15),
    "getReport": Plan(2, 15),
    "getReports": Plan(0.0222, 10),
    "getReportDocument": Plan(0.0167, 15),
    "getListingsItem": Plan(5, 10),
    "searchListingsItems": Plan(5, 5),
    # The model says 10, Amazon's guide says 5: the smaller is safe.
    "searchDefinitionsProductTypes": Plan(5, 5),
    "searchOrders": Plan(0.0056, 20),
    "getOrder": Plan(0.5, 30),
    "getMarketplaceParticipations": Plan(0.016, 15),
}

# Limits that no header shows, named after the operation that they narrow. Each grows and shrinks with its rate.
# Source: Amazon's "Building listings management workflows" guide: 5 feeds per 5 minutes since 2025-05-06.
HIDDEN: Final[Mapping[str, Plan]] = {
    "createFeed:JSON_LISTINGS_FEED": Plan(5 / 300, 5),
}

METERED: Final = PUBLISHED.keys() | HIDDEN.keys()
"""All that a usage plan can be set for."""

PACE: Final = 0.99
"""We refill a little slower than told: Amazon prints its rates rounded to four decimals (0.0056 may be 1/180)."""

LONGEST_JITTER: Final = 0.5
"""After a 429 the next call waits for one token's time, and up to this share more, so that a fleet does not return in step."""

ASK_AGAIN_SECONDS: Final = 1
"""While a call is under way its answer may bring a higher rate: nobody is sent away for longer then."""

_HAIR_SECONDS: Final = 0.001
"""Added to the time that a call has to wait for, so that rounding never makes it too early."""


def operations_of_feed(feed_type: str) -> tuple[str, ...]:
    """Return the limits that one createFeed of *feed_type* has to pass."""
    hidden = f"createFeed:{feed_type}"
    return ("createFeed", hidden) if hidden in HIDDEN else ("createFeed",)


class Call(NamedTuple):
    """A lease as stored. It cannot have arrived at Amazon before `since`, nor after `until`."""

    since: float
    until: float


class _Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What buckets and windows share: the plan in force, the calls under way, and what Amazon has said of the rate.

    `confirmed_at`: Amazon surely had this rate then. `changed_at`: when we last heard that it had changed.
    """

    rate: float
    burst: int
    tokens: float
    updated_at: float
    leases: Mapping[Lease, Call] = {}
    recent: tuple[float, ...] = ()
    waiting_until: float = 0
    confirmed_at: float
    changed_at: float

    @classmethod
    def new(cls, plan: Plan, now: float) -> Self:
        """A plan that was never used: full, as Amazon's is then."""
        return cls(rate=plan.rate, burst=plan.burst, tokens=plan.burst, updated_at=now, confirmed_at=now, changed_at=now)

    def resized(self, plan: Plan) -> Self:
        """Return the limit under another burst than it was opened with: the application's settings have changed."""
        return self if plan.burst == self.burst else replace(self, burst=plan.burst)

    def at(self, now: float) -> Self:
        """Return the same limit at *now*: refilled, and without the leases whose life has ended."""
        raise NotImplementedError

    def free_at(self) -> float:
        """Return when a call may be made, at the earliest. Not after `updated_at`: now."""
        raise NotImplementedError

    def take(self, lease: Lease, now: float, life_seconds: float) -> Self | float:
        """Return the limit with *lease* taken, or when to ask again."""
        current = self.at(now)
        free_at = current.free_at()
        if free_at > now:
            return min(free_at, now + ASK_AGAIN_SECONDS) if current.leases else free_at
        return replace(current, tokens=current.tokens - 1, leases={**current.leases, lease: Call(now, now + life_seconds)})

    def renew(self, lease: Lease, now: float, life_seconds: float) -> Self | None:
        """Return the limit with a new life for *lease*, whose call has not been made yet; None when it is dead."""
        current = self.at(now)
        if lease not in current.leases:
            return None
        return replace(current, leases={**current.leases, lease: Call(now, now + life_seconds)})

    def give_back(self, lease: Lease, now: float) -> Self:
        """Return the limit after a call that was never sent: as if it had not been taken."""
        current = self.at(now)
        if lease not in current.leases:
            return current
        return replace(current, leases=_without(current.leases, lease), tokens=current.tokens + 1).at(now)

    def answered(self, lease: Lease, now: float, told_rate: float | None) -> Self:
        """Return the limit after *lease*'s call was answered, or may have been. *told_rate*: calls a second, where Amazon said."""
        current = self.at(now)
        call = current.leases.get(lease)
        current = current.ended(lease, now)
        return current if told_rate is None else current.told(told_rate, call.since if call else 0.0, now)

    def throttled(self, lease: Lease, now: float, jitter: float) -> Self:
        """Return the limit after *lease*'s call was answered with 429. *jitter*: 0 to LONGEST_JITTER."""
        raise NotImplementedError

    def ended(self, lease: Lease, now: float) -> Self:
        raise NotImplementedError

    def told(self, rate: float, since: float, now: float) -> Self:
        if rate == self.rate:
            return replace(self, confirmed_at=max(self.confirmed_at, since))
        if rate > self.rate:
            # A call that left before we heard of the last change may bring older news than that.
            if since < self.changed_at:
                return self
            return replace(self, rate=rate, confirmed_at=since, changed_at=now)
        # Amazon may have lowered its rate right after it last confirmed ours: what we have refilled too much since goes.
        excess = (self.rate - rate) * max(0.0, now - self.confirmed_at)
        confirmed_at = max(self.confirmed_at, since)
        return replace(self, rate=rate, tokens=self.tokens - excess, confirmed_at=confirmed_at, changed_at=now).at(now)


class Bucket(_Limit, frozen=True, kw_only=True):
    """A token bucket: Amazon's visible usage plan."""

    def at(self, now: float) -> Self:
        # A clock that was set back costs the tokens of that moment, not an hour's standstill.
        gained = max(0.0, now - self.updated_at) * self.rate * PACE
        under_way = len(self.leases)
        return replace(
            self,
            tokens=min(max(self.tokens + gained, -under_way), self.burst - under_way),
            updated_at=now,
            leases={lease: call for lease, call in self.leases.items() if call.until > now},
            waiting_until=min(self.waiting_until, now + (1 + LONGEST_JITTER) / self.rate),
        )

    def free_at(self) -> float:
        missing = max(0.0, 1 - self.tokens)
        refilled_at = self.updated_at + missing / (self.rate * PACE) + _HAIR_SECONDS if missing else self.updated_at
        return max(refilled_at, self.waiting_until)

    def throttled(self, lease: Lease, now: float, jitter: float) -> Self:
        """Empty, and closed for a token's time and *jitter* of it more. The calls under way may still find tokens, or not."""
        emptied = self.at(now).ended(lease, now)
        waiting_until = max(emptied.waiting_until, now + (1 + jitter) / emptied.rate)
        return replace(emptied, tokens=-len(emptied.leases), waiting_until=waiting_until)

    def ended(self, lease: Lease, now: float) -> Self:
        return replace(self, leases=_without(self.leases, lease)).at(now)


class Window(_Limit, frozen=True, kw_only=True):
    """A sliding window: at most `burst` calls in any `seconds`. `recent`: when the last `burst` calls ended.

    Amazon counts from a call's arrival; we count from its end, which is later, and a call under way counts all the time.
    The last `burst` ends are kept however old they are: a lower rate makes the window longer, and them count again.
    """

    def resized(self, plan: Plan) -> Self:
        return self if plan.burst == self.burst else replace(self, burst=plan.burst, rate=plan.rate)

    @property
    def seconds(self) -> float:
        return self.burst / self.rate

    def at(self, now: float) -> Self:
        lost = [call.until for call in self.leases.values() if call.until <= now]
        recent = tuple(sorted(min(end, now) for end in (*self.recent, *lost))[-self.burst :])
        leases = {lease: call for lease, call in self.leases.items() if call.until > now}
        counted = sum(end > now - self.seconds for end in recent)
        return replace(self, tokens=self.burst - len(leases) - counted, updated_at=now, leases=leases, recent=recent)

    def free_at(self) -> float:
        if self.tokens >= 1:
            return self.updated_at
        # A call under way ends now at the earliest.
        leaves = sorted([end + self.seconds for end in self.recent] + [self.updated_at + self.seconds] * len(self.leases))
        return leaves[-self.burst] + _HAIR_SECONDS

    def throttled(self, lease: Lease, now: float, jitter: float) -> Self:
        """Counted all the same, to be on the safe side; the wait is the bucket's, which was taken with it."""
        del jitter
        return self.at(now).ended(lease, now)

    def ended(self, lease: Lease, now: float) -> Self:
        if lease not in self.leases:
            return self
        return replace(self, leases=_without(self.leases, lease), recent=(*self.recent, now)).at(now)


def limit(operation: str, plan: Plan, now: float) -> Bucket | Window:
    """Return the limit *operation* as it is before its first use."""
    return (Window if operation in HIDDEN else Bucket).new(plan, now)


def plan_of(operation: str, own: Mapping[str, Plan]) -> Plan:
    """Return the plan that holds until Amazon tells a rate. *own*: the application's settings. Raises KeyError."""
    return own.get(operation) or PUBLISHED.get(operation) or HIDDEN[operation]


def rate_told(operation: str, header: float, plan: Plan) -> float:
    """Return the rate of *operation* when Amazon's header says *header*: a hidden limit moves with the operation's own.

    Five feeds in 300 s at 0.0083/s are five in 300/k s at k times that.
    """
    visible, _, hidden = operation.partition(":")
    return plan.rate * header / PUBLISHED[visible].rate if hidden else header


def _without(leases: Mapping[Lease, Call], lease: Lease) -> Mapping[Lease, Call]:
    return {other: call for other, call in leases.items() if other != lease}
