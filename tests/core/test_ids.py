"""Identifiers that carry their day."""

from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from worker.core.ids import EPOCH, NUMBER_BITS, day_of, first_of_day, identifier

DAYS = st.integers(0, 8000)
NUMBERS = st.integers(0, (1 << NUMBER_BITS) - 1)


@given(DAYS, NUMBERS)
def test_an_identifier_tells_its_day(day: int, number: int) -> None:
    assert first_of_day(day) <= identifier(day, number) < first_of_day(day + 1)


@given(DAYS, NUMBERS, NUMBERS)
def test_identifiers_of_a_day_differ_as_their_numbers_do(day: int, one: int, other: int) -> None:
    assert (identifier(day, one) < identifier(day, other)) == (one < other)


def test_every_json_reader_holds_an_identifier_exactly_until_the_year_2042() -> None:
    last = identifier(day_of(datetime(2042, 1, 1, tzinfo=UTC)), (1 << NUMBER_BITS) - 1)

    assert last < 2**53


def test_the_day_is_that_of_utc() -> None:
    late_in_new_york = datetime(2026, 1, 31, 22, tzinfo=timezone(timedelta(hours=-5)))

    assert EPOCH + timedelta(days=day_of(late_in_new_york)) == date(2026, 2, 1)
