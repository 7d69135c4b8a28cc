"""The usage plans against a model of Amazon's own, under every order of events that Hypothesis can think of."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule

from worker.core.quota import HIDDEN, PUBLISHED, Bucket, Lease, Plan, Window, limit, operations_of_feed, plan_of, rate_told

LIFE_SECONDS = 4.0
ROUNDING = 1e-6
MODELS = Path(__file__).parents[2] / "schema" / "amazon"


class AmazonBucket:
    """As Amazon describes it: full at first, refilled at its rate up to the burst; a call takes its token when it arrives."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst, self.tokens, self.updated_at = rate, burst, float(burst), 0.0

    def set_rate(self, rate: float, now: float) -> None:
        self._refill(now)
        self.rate = rate

    def takes(self, now: float) -> bool:
        self._refill(now)
        if self.tokens < 1 - ROUNDING:
            return False
        self.tokens -= 1
        return True

    def _refill(self, now: float) -> None:
        self.tokens = min(self.burst, self.tokens + (now - self.updated_at) * self.rate)
        self.updated_at = now


class AmazonWindow:
    """At most `burst` arrivals in any `burst / rate` seconds."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.arrivals: list[float] = []

    def set_rate(self, rate: float, now: float) -> None:
        del now
        self.rate = rate

    def takes(self, now: float) -> bool:
        if sum(now - arrival < self.burst / self.rate - ROUNDING for arrival in self.arrivals) >= self.burst:
            return False
        self.arrivals.append(now)
        return True


class Fleet(RuleBasedStateMachine):
    """Any number of workers that share one limit. A call arrives within its lease's life, is answered at any time after, or never.

    Amazon may change its rate whenever we have heard of the change before. A call taken after a lowered rate could
    have been known must never be throttled; one taken before may be, and then says so.
    """

    kind: type[Bucket] | type[Window] = Bucket
    leaving = Bundle("leaving")
    arrived = Bundle("arrived")

    def __init__(self) -> None:
        super().__init__()
        self.now, self.number = 0.0, 0
        self.ours: Bucket | Window = self.kind.new(Plan(0.5, 3), self.now)
        self.amazon = (AmazonBucket if self.kind is Bucket else AmazonWindow)(0.5, 3)
        self.heard, self.lowered = True, False
        self.until: dict[Lease, float] = {}
        self.excused: set[Lease] = set()
        self.told: dict[Lease, float] = {}

    @rule(seconds=st.one_of(st.floats(0, 4), st.sampled_from([0.001, 1.0, 3.999, 6.0, 60.0])))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=leaving, again=st.integers(1, 4))
    def a_worker_takes_a_call(self, again: int) -> Lease:
        """Waits as it is told, or tries too early, which must be refused."""
        self.number += 1
        lease = Lease(str(self.number))
        for _ in range(again):
            taken = self.ours.take(lease, self.now, LIFE_SECONDS)
            if not isinstance(taken, float):
                self.ours = taken
                self.until[lease] = self.now + LIFE_SECONDS
                if self.lowered and not self.heard:
                    self.excused.add(lease)
                return lease
            assert taken > self.now
            self.now = taken
        return lease

    @rule(lease=leaving)
    def a_worker_renews_a_call_that_has_not_left(self, lease: Lease) -> None:
        if lease in self.until:
            renewed = self.ours.renew(lease, self.now, LIFE_SECONDS)
            assert (renewed is not None) == (self.now < self.until[lease])
            if renewed is not None:
                self.ours, self.until[lease] = renewed, self.now + LIFE_SECONDS

    @rule(lease=consumes(leaving))
    def a_worker_gives_a_call_back(self, lease: Lease) -> None:
        self.ours = self.ours.give_back(lease, self.now)

    @rule(lease=consumes(leaving))
    def a_worker_dies_before_its_call(self, lease: Lease) -> None:
        del lease

    @rule(target=arrived, lease=consumes(leaving), header=st.booleans())
    def a_call_arrives(self, lease: Lease, header: bool) -> Lease:
        if self.now >= self.until.get(lease, 0):
            return lease
        if self.amazon.takes(self.now):
            if header:
                self.told[lease] = self.amazon.rate
        else:
            assert lease in self.excused, f"429 at {self.now}: {self.ours}"
            self.told[lease] = 0
        return lease

    @rule(lease=consumes(arrived))
    def an_answer_arrives(self, lease: Lease) -> None:
        told = self.told.get(lease)
        if told == 0:
            self.ours = self.ours.throttled(lease, self.now, 0.2)
            return
        self.ours = self.ours.answered(lease, self.now, told)
        self.heard = self.heard or told == self.amazon.rate

    @rule(lease=consumes(arrived))
    def an_answer_is_lost(self, lease: Lease) -> None:
        del lease

    @rule(rate=st.sampled_from([0.05, 0.1, 0.5, 2.0]))
    def amazon_changes_its_rate(self, rate: float) -> None:
        if self.heard and rate != self.amazon.rate:
            self.lowered, self.heard = rate < self.amazon.rate, False
            self.amazon.set_rate(rate, self.now)
            if self.lowered and self.kind is Window:
                # A longer window counts older calls again, against those that are on their way already. A bucket keeps its tokens.
                self.excused |= self.until.keys()


class FleetOnAWindow(Fleet):
    kind = Window


TestNoWorkerEmptiesAmazonsBucket = pytest.mark.requirement("R120")(Fleet.TestCase)
TestNoWorkerEmptiesAmazonsBucket.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestNoWorkerOverfillsAHiddenWindow = pytest.mark.requirement("R120")(FleetOnAWindow.TestCase)
TestNoWorkerOverfillsAHiddenWindow.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)


def taken(current: Bucket | Window, count: int, now: float, life: float = 60) -> Bucket | Window:
    for number in range(count):
        after = current.take(Lease(f"{now}:{number}"), now, life)
        assert not isinstance(after, float)
        current = after
    return current


def answered(current: Bucket | Window, now: float) -> Bucket | Window:
    for lease in current.leases:
        current = current.answered(lease, now, None)
    return current


def test_a_burst_goes_at_once_and_the_next_call_when_a_token_is_there() -> None:
    bucket = answered(taken(Bucket.new(Plan(0.5, 15), 0), 15, 0), 0)

    refused = bucket.take(Lease("16th"), 0, LIFE_SECONDS)

    assert refused == pytest.approx(2, rel=0.02)
    assert isinstance(refused, float)
    assert isinstance(bucket.take(Lease("16th"), refused, LIFE_SECONDS), Bucket)


def test_nothing_is_refilled_for_a_call_that_may_still_arrive() -> None:
    full = Bucket.new(Plan(1, 2), 0)

    under_way = taken(full, 2, 0).at(59)

    assert under_way.tokens == 0


def test_a_lost_lease_counts_as_used_when_its_life_ends() -> None:
    bucket = taken(Bucket.new(Plan(1, 2), 0), 2, 0)

    assert bucket.at(61).leases == {}
    assert bucket.at(61).at(70).tokens == 2


def test_a_call_that_was_never_sent_leaves_its_token() -> None:
    bucket = taken(Bucket.new(Plan(0.0083, 15), 0), 1, 0)

    assert bucket.give_back(next(iter(bucket.leases)), 1).tokens == 15


def test_after_a_429_nothing_goes_for_the_time_of_a_token_and_the_jitter() -> None:
    bucket = taken(Bucket.new(Plan(0.5, 15), 0), 1, 0)

    emptied = bucket.throttled(next(iter(bucket.leases)), 10, jitter=0.25)

    assert emptied.tokens == 0
    assert emptied.free_at() == pytest.approx(10 + 1.25 * 2)


def test_the_told_rate_is_learned_upwards_and_downwards_and_an_equal_one_changes_nothing() -> None:
    bucket = Bucket.new(Plan(0.5, 15), 0)

    assert bucket.told(2, since=1, now=1).rate == 2
    assert bucket.told(0.1, since=1, now=1).rate == 0.1
    assert bucket.told(0.5, since=1, now=1) == bucket.at(0).told(0.5, since=1, now=1)


def test_a_slow_answer_does_not_bring_back_a_rate_that_amazon_has_lowered() -> None:
    bucket = taken(Bucket.new(Plan(0.5, 15), 0), 2, 0)
    slow, quick = bucket.leases

    bucket = bucket.answered(quick, 5, told_rate=0.1).answered(slow, 6, told_rate=0.5)

    assert bucket.rate == 0.1


def test_a_lowered_rate_takes_back_what_was_refilled_since_amazon_surely_had_the_old_one() -> None:
    bucket = taken(Bucket.new(Plan(1, 100), 0), 100, 0, life=1000)
    quick, slow, last, *rest = bucket.leases
    for lease in rest:
        bucket = bucket.answered(lease, 0, None)

    # The slow call confirms the rate for the time when it left, not for the time of its answer.
    bucket = bucket.answered(quick, 40, told_rate=1).renew(last, 40, 1000)  # type: ignore[assignment]
    bucket = bucket.answered(slow, 60, told_rate=1)
    lowered = bucket.answered(last, 60, told_rate=0.5)

    assert bucket.tokens == pytest.approx(60, rel=0.02)
    assert lowered.tokens == pytest.approx(30, rel=0.05)


def test_a_call_that_was_lost_counts_in_the_window_from_the_end_of_its_life() -> None:
    window = taken(Window.new(Plan(0.1, 1), 0), 1, 0)

    assert window.at(61).tokens == 0
    assert window.at(61).free_at() == pytest.approx(70, abs=0.01)


def test_five_listings_feeds_go_in_300_seconds_counted_from_their_end() -> None:
    window = taken(Window.new(HIDDEN["createFeed:JSON_LISTINGS_FEED"], 0), 5, 0)
    assert isinstance(window, Window)
    ended = answered(window, 20)

    assert ended.free_at() == pytest.approx(320, abs=0.01)
    assert isinstance(ended.take(Lease("early"), 319, LIFE_SECONDS), float)
    assert isinstance(ended.take(Lease("sixth"), 320.01, LIFE_SECONDS), Window)


def test_the_hidden_window_shrinks_with_the_told_rate_and_remembers_when_it_grows_again() -> None:
    hidden = "createFeed:JSON_LISTINGS_FEED"
    window = answered(taken(Window.new(HIDDEN[hidden], 0), 5, 0), 0)
    assert isinstance(window, Window)

    fast = window.told(rate_told(hidden, 0.083, HIDDEN[hidden]), since=1, now=1)

    assert fast.seconds == pytest.approx(30)
    assert fast.at(31).tokens == 5
    slow = fast.at(31).told(rate_told(hidden, 0.0083, HIDDEN[hidden]), since=31, now=31)
    assert slow.seconds == pytest.approx(300)
    assert slow.tokens == 0


def test_a_clock_that_was_set_back_stops_nothing_for_long() -> None:
    bucket = answered(taken(Bucket.new(Plan(1, 2), 5000), 2, 5000), 5000)
    window = answered(taken(Window.new(Plan(1, 2), 5000), 2, 5000), 5000)

    assert bucket.at(1400).free_at() < 1402
    assert window.at(1400).free_at() < 1403


@pytest.mark.parametrize("operation", sorted(PUBLISHED))
def test_the_published_plans_are_those_of_amazons_models(operation: str) -> None:
    rates = {}
    for path in MODELS.glob("*.json"):
        for methods in json.loads(path.read_text()).get("paths", {}).values():
            for method in methods.values():
                if isinstance(method, dict) and method.get("operationId") == operation:
                    plan = re.search(r"\|\s*(?:Default\s*\|\s*)?([\d.]+)\s*\|\s*(\d+)\s*\|", method["description"])
                    assert plan is not None
                    rates[operation] = Plan(float(plan[1]), int(plan[2]))

    assert PUBLISHED[operation].rate == rates[operation].rate
    # The guide knows a smaller burst than the model for this one; the smaller is safe.
    assert PUBLISHED[operation].burst == (5 if operation == "searchDefinitionsProductTypes" else rates[operation].burst)


def test_only_feed_types_with_a_hidden_limit_have_two_quotas() -> None:
    assert operations_of_feed("JSON_LISTINGS_FEED") == ("createFeed", "createFeed:JSON_LISTINGS_FEED")
    assert operations_of_feed("POST_ORDER_FULFILLMENT_DATA") == ("createFeed",)
    assert isinstance(limit("createFeed:JSON_LISTINGS_FEED", Plan(1, 1), 0), Window)
    assert isinstance(limit("createFeed", Plan(1, 1), 0), Bucket)


def test_the_applications_own_plan_goes_before_the_published_one() -> None:
    own = {"createFeed": Plan(0.1, 30)}

    assert plan_of("createFeed", own) == Plan(0.1, 30)
    assert plan_of("getFeed", own) == PUBLISHED["getFeed"]
