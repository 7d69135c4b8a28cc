"""Windows of updates: they overlap, leave no gap, and no order version that stays for an overlap is missed."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.order_windows import FIRST, LAG, LONGEST, OVERLAP, SHORTEST, Search, Window, gaps, halved, merged, next_search, read_until

NOON = datetime(2026, 8, 5, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def window(since: int, until: int) -> Window:
    return Window(NOON + since * HOUR, NOON + until * HOUR)


@pytest.mark.requirement("R79")
def test_the_first_window_reaches_back_a_month_and_a_week_is_asked_for_at_once() -> None:
    assert next_search((), NOON) == Search(NOON - FIRST, NOON - FIRST + LONGEST)


@pytest.mark.requirement("R79")
def test_the_next_window_begins_an_overlap_before_the_last_ended_and_ends_by_amazons_clock() -> None:
    assert next_search((Window(NOON - DAY, NOON - 15 * MINUTE),), NOON) == Search(NOON - 15 * MINUTE - OVERLAP, None)


def test_after_a_long_time_one_window_follows_another() -> None:
    covered: tuple[Window, ...] = (Window(NOON - 30 * DAY, NOON - 20 * DAY),)
    searches: list[Search] = []
    while not searches or searches[-1].until is not None:
        searches.append(next_search(covered, NOON))
        covered = merged([*covered, Window(searches[-1].since, searches[-1].until or NOON - LAG)])

    assert [search.until for search in searches[:-1]] == [NOON - 13 * DAY - OVERLAP, NOON - 6 * DAY - 2 * OVERLAP]
    assert covered == (Window(NOON - 30 * DAY, NOON - LAG),)


def test_a_gap_is_asked_for_before_anything_newer() -> None:
    covered = merged([window(-9, -6), window(-3, -1)])

    assert gaps(covered) == (window(-6, -3),)
    assert next_search(covered, NOON).since == NOON - 6 * HOUR - OVERLAP


def test_a_clock_of_ours_that_is_wrong_moves_no_window() -> None:
    covered = (window(-9, -6),)

    for now in (NOON - DAY, NOON, NOON + DAY):
        assert next_search(covered, now).since == NOON - 6 * HOUR - OVERLAP
        assert next_search(covered, now).until is None, "an upper bound of ours might be too late for Amazon"


def test_a_window_that_is_begun_anew_is_half_as_long_and_still_reaches_beyond_the_overlap() -> None:
    assert halved(NOON, NOON + 8 * HOUR) == 4 * HOUR
    assert halved(NOON, NOON + 8 * MINUTE) == SHORTEST > OVERLAP


SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)).map(lambda span: window(span[0], span[0] + span[1])), max_size=8)


@given(SPANS)
def test_merged_windows_are_the_same_instants_and_stand_apart(given_windows: Sequence[Window]) -> None:
    covered = merged(given_windows)

    for half_hour in range(150):
        instant = NOON + half_hour * HOUR / 2
        assert any(each.since <= instant <= each.until for each in covered) == any(
            each.since <= instant <= each.until for each in given_windows
        )
    assert all(gap.since < gap.until for gap in gaps(covered))
    assert merged(reversed(covered)) == covered


# --- all of it against a model of Amazon ---------------------------------------------------------------------------------------


class Version(NamedTuple):
    """An update of an order; Amazon shows it from `visible_at` until it shows the next."""

    order: int
    updated_at: datetime
    visible_at: datetime


class Amazon:
    """Pages in the order of updates, as the simulator gives them; the upper bound of the first page stays."""

    def __init__(self, versions: Sequence[Version]) -> None:
        self._versions = versions

    def shown(self, now: datetime) -> dict[int, Version]:
        """The version of every order that is shown."""
        newest: dict[int, Version] = {}
        for version in self._versions:
            if version.visible_at <= now and (version.order not in newest or version.updated_at > newest[version.order].updated_at):
                newest[version.order] = version
        return newest

    def page(self, since: datetime, until: datetime, after: tuple[datetime, int] | None, size: int, now: datetime) -> list[Version]:
        fitting = sorted(
            (version.updated_at, version.order, version) for version in self.shown(now).values() if since <= version.updated_at <= until
        )
        return [version for at, order, version in fitting if after is None or (at, order) > after][:size]


class Plan(NamedTuple):
    """A run: how long after the one before, and what happens on its way. A page may be read twice, or its token be refused."""

    pause: timedelta
    page_size: int
    page_takes: timedelta
    mishaps: list[str]


class Shop:
    """Reads as worker/steps/get_orders.py does, with the same functions of the core."""

    def __init__(self, amazon: Amazon, began: datetime) -> None:
        self.amazon, self.now = amazon, began
        self.covered: tuple[Window, ...] = (Window(began - DAY, began - LAG),)
        self.kept: dict[int, Version] = {}
        self.imported: list[Version] = []

    def run(self, plan: Plan) -> None:
        self.now += plan.pause
        mishaps, longest = iter(plan.mishaps), LONGEST
        while True:
            search = next_search(self.covered, self.now, longest=longest)
            until = search.until or self.now - LAG
            if not self._read(search.since, until, plan, mishaps):
                longest = halved(search.since, until)
                continue
            self.covered = merged([*self.covered, Window(search.since, max(search.since, until))])
            if search.until is None:
                return

    def _read(self, since: datetime, until: datetime, plan: Plan, mishaps: Iterator[str]) -> bool:
        after = None
        while True:
            page = self.amazon.page(since, until, after, plan.page_size, self.now)
            self._save(page)
            self.now += plan.page_takes
            if len(page) < plan.page_size:
                return True
            mishap = next(mishaps, "none")
            if mishap == "refused":
                return False
            if mishap != "died":  # else the page is read again
                after = (page[-1].updated_at, page[-1].order)

    def _save(self, page: Sequence[Version]) -> None:
        for version in page:
            if version.order not in self.kept or self.kept[version.order].updated_at < version.updated_at:
                self.kept[version.order] = version
                self.imported.append(version)


UPDATES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 40), st.integers(0, OVERLAP // MINUTE)), min_size=1, max_size=12
)  # the order, minutes since the update before, minutes until it shows
PLANS = st.lists(
    st.builds(
        Plan,
        st.integers(1, 60).map(lambda minutes: minutes * MINUTE),
        st.integers(1, 3),
        st.integers(0, 6).map(lambda minutes: minutes * MINUTE),
        st.lists(st.sampled_from(["none", "died", "refused"]), max_size=6),
    ),
    min_size=1,
    max_size=10,
)


@pytest.mark.requirement("R79")
@given(UPDATES, PLANS)
def test_every_order_version_that_stays_for_an_overlap_is_imported_exactly_once(
    updates: Sequence[tuple[int, int, int]], plans: Sequence[Plan]
) -> None:
    at, versions = NOON, []
    for order, pause, delay in updates:
        at += pause * MINUTE
        versions.append(Version(order, at, at + delay * MINUTE))
    amazon = Amazon(versions)
    shop = Shop(amazon, NOON)
    stayed: set[Version] = set()
    for plan in plans:
        began = shop.now + plan.pause
        shop.run(plan)
        # What was updated, and shown, before the run could ask for it, and is still shown when it has ended.
        stayed |= {
            version
            for version in amazon.shown(began).values()
            if version.updated_at <= began - LAG and amazon.shown(shop.now).get(version.order) == version
        }

    assert stayed <= set(shop.imported)
    assert len(shop.imported) == len(set(shop.imported))
    assert gaps(shop.covered) == ()
    for order in range(5):
        taken = [version.updated_at for version in shop.imported if version.order == order]
        assert taken == sorted(taken), "an older version never follows a newer one"


def test_a_window_ends_where_amazon_says_that_it_does_if_that_is_earlier() -> None:
    since, asked, now = NOON - 7 * DAY, NOON - HOUR, NOON
    earlier, later = asked - 5 * MINUTE, asked + 5 * MINUTE

    assert read_until(Search(since, asked), earlier, now) == earlier
    assert read_until(Search(since, asked), later, now) == asked
    assert read_until(Search(since, asked), None, now) == asked
    assert read_until(Search(since, None), later, now) == later
    assert read_until(Search(since, None), None, now) == now - LAG - OVERLAP
    assert read_until(Search(since, asked), since - OVERLAP, now) == since, "never before it begins"
