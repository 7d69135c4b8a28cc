"""When to ask again."""

from datetime import timedelta

import pytest

from worker.core.polling import LOOKS, look_after, poll_after, retry_after


def test_polls_begin_at_the_setting_and_grow_to_eight_times_it() -> None:
    seconds = [poll_after(attempts, 15).total_seconds() for attempts in range(8)]

    assert seconds == [15, 22.5, 33.75, 50.625, 75.9375, 113.90625, 120, 120]


def test_a_feed_that_amazon_keeps_for_weeks_is_still_polled() -> None:
    assert poll_after(1_700, 15) == timedelta(seconds=120)
    assert poll_after(100_000, 15) == timedelta(seconds=120)


def test_an_unclear_feed_is_looked_for_after_two_and_after_eight_polls() -> None:
    assert [look_after(looks, 15).total_seconds() for looks in range(len(LOOKS))] == [30, 120]


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (100_000, 60)])
def test_failures_are_retried_after_a_second_doubling_to_a_minute(attempts: int, seconds: int) -> None:
    assert retry_after(attempts) == timedelta(seconds=seconds)
