"""How much goes into a feed, and when one is worth cutting."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.cutting import (
    LAST_MESSAGE_ID,
    MOST_FEED_MESSAGES,
    FeedLimits,
    Waiting,
    first_message_id,
    fit,
    halves,
    is_due,
    most_failing_feeds,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LINGER = timedelta(seconds=30)


def limits(messages: int = MOST_FEED_MESSAGES, bytes_: int = 1000) -> FeedLimits:
    return FeedLimits(messages, bytes_, LINGER)


def document_bytes(sizes: Sequence[int], frame_bytes: int) -> int:
    """As long as a document of such messages is: commas stand between them."""
    return frame_bytes + sum(sizes) + max(len(sizes) - 1, 0)


@pytest.mark.requirement("R115")
@given(
    st.lists(st.integers(1, 60), max_size=30),
    st.integers(1, 10),
    st.integers(20, 200),
    st.integers(0, 15),
)
def test_a_feed_holds_as_much_as_fits_and_never_more(sizes: list[int], messages: int, bytes_: int, frame_bytes: int) -> None:
    chosen, too_large = fit(sizes, limits(messages, bytes_), frame_bytes=frame_bytes)

    taken = [sizes[position] for position in chosen]
    assert len(taken) <= messages
    assert not taken or document_bytes(taken, frame_bytes) <= bytes_
    # As many as fit: the next one, where there is one, would be one too many.
    possible = [position for position, size in enumerate(sizes) if frame_bytes + size <= bytes_]
    assert chosen == possible[: len(chosen)]
    if len(chosen) < len(possible):
        further = sizes[possible[len(chosen)]]
        assert len(chosen) == messages or document_bytes([*taken, further], frame_bytes) > bytes_
    assert all(frame_bytes + sizes[position] > bytes_ for position in too_large)


def test_a_message_that_fills_a_feed_to_the_last_byte_goes_alone() -> None:
    assert fit([900, 900], limits(bytes_=1000), frame_bytes=100) == ([0], [])


def test_a_message_that_no_feed_can_hold_is_named_and_stops_no_other() -> None:
    assert fit([901, 100, 901, 100], limits(bytes_=1000), frame_bytes=100) == ([1, 3], [0, 2])


def test_bytes_bind_before_the_count_does_with_real_patches() -> None:
    fitting = fit([439] * MOST_FEED_MESSAGES, limits(bytes_=10 * 1024 * 1024), frame_bytes=100)

    assert len(fitting.chosen) == 23_831


@pytest.mark.parametrize(
    ("changes", "waited", "due"),
    [
        (0, None, False),
        (1, timedelta(0), False),
        (1, LINGER - timedelta(microseconds=1), False),
        (1, LINGER, True),
        (9, timedelta(0), False),
        (10, timedelta(0), True),
    ],
)
def test_a_feed_is_due_when_it_is_full_or_its_oldest_change_has_lingered(changes: int, waited: timedelta | None, *, due: bool) -> None:
    waiting = Waiting(changes, None if waited is None else NOW - waited)

    assert is_due(waiting, limits(10), NOW) is due


@pytest.mark.parametrize(
    ("wanted", "count", "first"),
    [(1, 25_000, 1), (LAST_MESSAGE_ID, 1, LAST_MESSAGE_ID), (LAST_MESSAGE_ID, 2, 1), (LAST_MESSAGE_ID + 1, 1, 1)],
)
def test_message_ids_begin_anew_before_they_pass_amazons_last(wanted: int, count: int, first: int) -> None:
    assert first_message_id(wanted, count) == first


@given(st.lists(st.integers(), max_size=50))
def test_halves_hold_everything_once_and_differ_by_one_at_most(things: list[int]) -> None:
    parts = list(halves(things))

    assert sum(parts, []) == (things if len(things) > 1 else [])  # noqa: RUF017  # two short lists
    assert [len(part) for part in parts] in ([], [(len(things) + 1) // 2, len(things) // 2])


@given(st.integers(1, 25_000), st.data())
def test_halving_finds_one_culprit_before_the_rest_would_be_held(messages: int, data: st.DataObject) -> None:
    culprit = data.draw(st.integers(0, messages - 1))
    queue = [list(range(messages))]
    feeds_failed, most_in_a_row, in_a_row = 0, 0, 0

    while queue:
        feed = queue.pop(0)
        if culprit in feed:
            feeds_failed += 1
            in_a_row += 1
            queue += list(halves(feed))
        else:
            in_a_row = 0
        most_in_a_row = max(most_in_a_row, in_a_row)

    assert most_in_a_row < most_failing_feeds(messages)


@pytest.mark.parametrize(("messages", "feeds"), [(0, 4), (1, 4), (2, 6), (8, 10), (1000, 23), (25_000, 33)])
def test_the_rest_is_held_after_twice_the_halvings_and_four_feeds(messages: int, feeds: int) -> None:
    assert most_failing_feeds(messages) == feeds
