"""Which of two messages of one source is newer."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from worker.core.ordering import Version, version

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))


def test_the_larger_sequence_is_newer_whatever_the_time() -> None:
    assert version(2, NOON) > version(1, NOON + timedelta(days=1))


def test_a_sequence_is_newer_than_any_time() -> None:
    assert version(0, NOON) > version(None, NOON + timedelta(days=365))


def test_equal_sequences_are_equal_whatever_the_time() -> None:
    assert version(7, NOON) == version(7, NOON + timedelta(seconds=1))


@given(MOMENTS, MOMENTS)
def test_times_order_to_the_microsecond(one: datetime, other: datetime) -> None:
    assert (version(None, one) < version(None, other)) == (one < other)


def test_one_instant_in_two_zones_is_one_version() -> None:
    assert version(None, NOON) == version(None, NOON.astimezone(timezone(timedelta(hours=9))))


def test_a_time_before_1970_is_older_than_one_after() -> None:
    assert version(None, datetime(1969, 12, 31, tzinfo=UTC)) < version(None, datetime(1970, 1, 1, tzinfo=UTC)) == Version(False, 0)
