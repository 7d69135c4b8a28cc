"""Schedules: intervals and cron expressions, in the connection's timezone, moved apart by each connection's own share."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.schedules import MOST_DELAY, fault, next_tick, share

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@pytest.mark.requirement("R10")
@pytest.mark.parametrize("every", ["30s", "15m", "24h", "7d", "*/15 * * * *", "0 9-17/2 1,15 JAN-JUN mon-FRI", "0 0 29 2 *", "0 4 L * *"])
def test_intervals_and_cron_expressions_of_five_fields_are_schedules(every: str) -> None:
    assert fault(every) is None


@pytest.mark.parametrize(
    "every", ["", "15", "0m", "15 minutes", "60 * * * *", "* * * * 8", "*/0 * * * *", "5-1 * * * *", "0 0 2 * * *", "@daily", "² * * * *"]
)
def test_what_is_no_schedule_is_refused_with_a_reason(every: str) -> None:
    assert fault(every)


@pytest.mark.parametrize("every", ["0 0 30 2 *", "0 0 31 4,6,9,11 *"])
def test_a_date_that_never_comes_is_refused(every: str) -> None:
    assert "never comes" in (fault(every) or "")


@pytest.mark.requirement("R10")
@given(after=MOMENTS, place=st.floats(0, 0.999_999))
def test_interval_ticks_are_one_interval_apart_whenever_they_are_asked_for(after: datetime, place: float) -> None:
    first = next_tick("15m", "UTC", place, after)
    second = next_tick("15m", "UTC", place, first.due_at)

    assert after < first.due_at <= after + timedelta(minutes=15)
    assert second.due_at - first.due_at == timedelta(minutes=15)


@given(after=MOMENTS, place=st.floats(0, 0.999_999), every=st.sampled_from(["* * * * *", "0 2 * * *", "30 1 * * SUN", "*/15 9-17 * * *"]))
def test_a_cron_tick_is_due_a_little_after_it_and_the_ticks_go_on_from_there(after: datetime, place: float, every: str) -> None:
    first = next_tick(every, "Europe/Berlin", place, after)
    second = next_tick(every, "Europe/Berlin", place, first.due_at)

    assert after < first.due_at
    assert first.at <= first.due_at <= first.at + MOST_DELAY
    assert second.at > first.at


@pytest.mark.parametrize(
    ("every", "place", "delay_seconds"), [("* * * * *", 0.5, 3), ("0 2 * * *", 0.5, 150), ("0 2 * * *", 0.0, 0), ("0,30 * * * *", 0.9, 162)]
)
def test_a_cron_tick_is_delayed_by_the_connections_share_of_a_tenth_of_the_gap_or_of_five_minutes(
    every: str, place: float, delay_seconds: int
) -> None:
    tick = next_tick(every, "UTC", place, NOON)

    assert tick.due_at - tick.at == timedelta(seconds=delay_seconds)


def _in_berlin(every: str, after: datetime, count: int) -> list[str]:
    """The wall clock of the next ticks, with its distance from UTC."""
    ticks = []
    for _ in range(count):
        after = next_tick(every, "Europe/Berlin", 0.0, after).due_at
        ticks.append(after.astimezone(ZoneInfo("Europe/Berlin")).strftime("%d %H:%M%z"))
    return ticks


@pytest.mark.requirement("R10")
def test_a_time_that_the_change_to_summer_leaves_out_comes_when_the_clocks_have_changed() -> None:
    assert _in_berlin("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=UTC), 2) == ["29 03:00+0200", "30 02:30+0200"]


@pytest.mark.requirement("R10")
def test_a_time_that_the_change_to_winter_brings_twice_counts_once() -> None:
    assert _in_berlin("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=UTC), 2) == ["25 02:30+0200", "26 02:30+0100"]


def test_the_night_is_not_run_again_when_it_is_asked_within_the_hour_that_comes_twice() -> None:
    second_half_past_two = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)

    assert _in_berlin("30 2 * * *", second_half_past_two, 1) == ["26 02:30+0100"]


def test_an_expression_of_every_quarter_hour_goes_through_a_change_of_the_clocks() -> None:
    before = datetime(2026, 10, 25, 0, tzinfo=UTC)
    due = [before]
    for _ in range(12):
        due.append(next_tick("*/15 * * * *", "Europe/Berlin", 0.0, due[-1]).due_at)

    assert {later - earlier for earlier, later in pairwise(due)} == {timedelta(minutes=15)}


@pytest.mark.requirement("R10")
def test_a_thousand_connections_of_one_schedule_do_not_begin_together() -> None:
    due = [next_tick("15m", "UTC", share(connection_id, "get-orders"), NOON).due_at for connection_id in range(1, 1001)]
    within = [sum(1 for each in due if (each - NOON) // timedelta(minutes=1) == minute) for minute in range(15)]

    assert sum(within) == 1000
    assert max(within) < 100, "a fifteenth in every minute, more or less"
    assert due[0] == next_tick("15m", "UTC", share(1, "get-orders"), NOON).due_at, "the same for ever"
