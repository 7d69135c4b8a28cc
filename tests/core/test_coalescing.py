"""Folding messages into what must still reach Amazon: the contract's order among messages for one key."""

from collections.abc import Callable, Sequence
from itertools import pairwise, permutations
from typing import Any

import pytest

from tests.core.folding import Ledger, arrival, folded, new_key, pending, superseded_by
from worker.core import coalescing
from worker.core.coalescing import ORDINARY, URGENT, Arrival, coalesce, same
from worker.core.facets import Value
from worker.core.issues import Issue, Severity
from worker.core.outcomes import Fate, Outcome

ORDERS = list(permutations(range(4)))


def by_sequence(number: int) -> Arrival:
    return arrival(number, sequence=10 + number, price=f"{number}.99")


def by_time(number: int) -> Arrival:
    return arrival(number, minute=number, price=f"{number}.99")


@pytest.mark.requirement("R61", "R116")
@pytest.mark.parametrize("message", [by_sequence, by_time])
@pytest.mark.parametrize("order", ORDERS)
def test_the_newest_of_one_source_wins_in_any_order_of_arrival(order: Sequence[int], message: Callable[[int], Arrival]) -> None:
    key, ledger = folded(map(message, order))

    assert pending(key) == {"price": ("3.99", 3)}
    assert ledger.outcomes() == {0: "superseded", 1: "superseded", 2: "superseded"}
    assert all(winner is not None and winner > older for older, winner in superseded_by(ledger).items())


@pytest.mark.requirement("R61")
@pytest.mark.parametrize("order", ORDERS)
def test_of_equal_versions_the_later_arrival_wins(order: Sequence[int]) -> None:
    key, ledger = folded(arrival(number, price=f"{number}.99") for number in order)

    assert pending(key) == {"price": (f"{order[-1]}.99", order[-1])}
    assert superseded_by(ledger) == dict(pairwise(order))


@pytest.mark.requirement("R61")
@pytest.mark.parametrize("order", ORDERS)
def test_between_sources_the_later_arrival_wins_whatever_their_times(order: Sequence[int]) -> None:
    key, ledger = folded(arrival(number, source=f"source {number}", minute=-number, price=f"{number}.99") for number in order)

    assert pending(key) == {"price": (f"{order[-1]}.99", order[-1])}
    assert superseded_by(ledger) == dict(pairwise(order))


def test_a_value_older_than_one_of_its_own_source_never_goes_out_though_another_source_spoke_between() -> None:
    key, ledger = folded(
        [
            arrival(1, source="erp", sequence=5, price="5.00"),
            arrival(2, source="shop", sequence=1, price="6.00"),
            arrival(3, source="erp", sequence=4, price="4.00"),
        ]
    )

    assert pending(key) == {"price": ("6.00", 2)}
    assert superseded_by(ledger) == {1: 2, 3: 1}


@pytest.mark.requirement("R61")
@pytest.mark.parametrize("order", ORDERS)
def test_facets_are_ordered_one_by_one(order: Sequence[int]) -> None:
    messages = [
        arrival(0, sequence=1, price="1.00", quantity=1),
        arrival(1, sequence=2, price="2.00"),
        arrival(2, sequence=3, quantity=3),
        arrival(3, sequence=4, handling_time=4),
    ]

    key, ledger = folded(messages[number] for number in order)

    assert pending(key) == {"price": ("2.00", 1), "quantity": (3, 2), "handling_time": (4, 3)}
    assert ledger.outcomes() == {0: "superseded"}


def test_a_message_of_which_one_facet_still_waits_has_not_ended() -> None:
    key, ledger = folded([arrival(1, sequence=1, price="1.00", quantity=1), arrival(2, sequence=2, price="2.00")])

    assert ledger.ended == {}
    assert pending(key) == {"quantity": (1, 1), "price": ("2.00", 2)}


def test_a_source_that_gave_a_sequence_and_leaves_it_out_is_invalid() -> None:
    key, ledger = folded([arrival(1, sequence=1, price="1.00"), arrival(2, minute=90, quantity=2)])

    (fault,) = ledger.ended[2].issues
    assert (ledger.outcomes(), ledger.ended[2].reason, fault.code) == ({2: "invalid"}, "SEQUENCE_MISSING", "SEQUENCE_MISSING")
    assert pending(key) == {"price": ("1.00", 1)}


def test_a_sequence_is_asked_of_the_source_that_gave_one_only() -> None:
    key, ledger = folded([arrival(1, source="erp", sequence=1, price="1.00"), arrival(2, source="shop", price="2.00")])

    assert ledger.outcomes() == {1: "superseded"}
    assert pending(key) == {"price": ("2.00", 2)}


def test_a_source_that_begins_to_give_a_sequence_is_newer_than_its_times() -> None:
    key, _ = folded([arrival(1, minute=90, price="1.00"), arrival(2, sequence=1, minute=0, price="2.00")])

    assert pending(key) == {"price": ("2.00", 2)}


def test_a_message_of_which_the_template_makes_nothing_is_skipped() -> None:
    key, ledger = folded([arrival(1)])

    assert (ledger.outcomes(), ledger.ended[1].reason) == ({1: "skipped"}, "nothing_to_send")
    assert key.pending is None


# --- what Amazon is known to have --------------------------------------------------------------------------------------------


def test_a_value_that_amazon_confirmed_is_unchanged() -> None:
    key = new_key()
    key.confirmed = {"price": Value("19.90"), "quantity": Value(5)}

    (settled,) = coalesce(key, arrival(1, price="19.9", quantity=5))

    assert settled.outcome is Outcome.UNCHANGED
    assert key.pending is None


def test_a_return_to_the_confirmed_value_supersedes_what_is_pending_and_is_itself_unchanged() -> None:
    key = new_key()
    key.confirmed = {"price": Value("19.90")}
    ledger = Ledger()

    ledger.note(coalesce(key, arrival(1, sequence=1, price="21.00")))
    ledger.note(coalesce(key, arrival(2, sequence=2, price="19.90")))

    assert ledger.outcomes() == {1: "superseded", 2: "unchanged"}
    assert key.pending is None


def test_a_message_half_unchanged_and_half_older_is_unchanged() -> None:
    key = new_key()
    key.confirmed = {"quantity": Value(5)}
    ledger = Ledger()

    ledger.note(coalesce(key, arrival(1, sequence=9, price="9.00")))
    ledger.note(coalesce(key, arrival(2, sequence=8, price="8.00", quantity=5)))

    assert ledger.outcomes() == {2: "unchanged"}


def test_what_is_in_flight_is_not_known_so_the_same_value_again_waits() -> None:
    key = new_key()
    key.confirmed = {"price": Value("19.90")}
    ledger = Ledger()
    ledger.note(coalesce(key, arrival(1, sequence=1, price="21.00")))

    was = coalescing.take_off(key, {"price": Value("21.00")})
    key.pending = None
    ledger.note(coalesce(key, arrival(2, sequence=2, price="19.90")))

    assert was == {"price": Value("19.90")}
    assert ledger.ended == {}
    assert pending(key) == {"price": ("19.90", 2)}


def test_a_confirmation_ends_the_pending_message_that_wants_just_that() -> None:
    key, _ = folded([arrival(1, price="19.90", quantity=5)])

    assert list(coalescing.confirm(key, {"price": Value("19.9")})) == []
    (settled,) = coalescing.confirm(key, {"quantity": Value(5)})

    assert settled.outcome is Outcome.UNCHANGED
    assert key.pending is None


@pytest.mark.parametrize(
    ("facet", "one", "other", "is_same"),
    [
        ("price", Value("19.9"), Value("19.90"), True),
        ("price", Value("19.9"), Value("19.91"), False),
        ("price", Value("19.990000000000000001"), Value("19.99"), False),
        ("price", Value(cleared=True), Value(cleared=True), True),
        ("price", Value(cleared=True), Value("19.9"), False),
        ("quantity", Value(5), Value(5), True),
        ("quantity", Value(0), Value(1), False),
        ("color", Value("19.9"), Value("19.90"), False),
        ("color", Value(["red"]), Value(["red"]), True),
        ("lines_per_page", Value([{"value": 3}]), Value([{"value": 3}]), True),
        ("lines of FR-1 T1", Value({"lines": [1]}, allotted={"1": 1}), Value({"lines": [1]}), True),
        ("lines of FR-1 T1", Value({"lines": [1]}), Value({"lines": [2]}), False),
    ],
)
def test_values_are_the_same_by_amount_for_prices_and_exactly_for_the_rest(facet: str, one: Value, other: Value, *, is_same: bool) -> None:
    assert same(facet, one, other) is is_same


# --- what comes back, and what goes first ------------------------------------------------------------------------------------


def test_an_undecided_change_comes_back_but_for_what_a_newer_message_has_replaced() -> None:
    key, ledger = folded([arrival(1, sequence=1, price="1.00", quantity=1)])
    flying, key.pending = key.pending, None
    assert flying is not None
    ledger.note(coalesce(key, arrival(2, sequence=2, price="2.00")))

    ledger.note(coalescing.land(key, [(flying, None)]))

    assert ledger.ended == {}
    assert pending(key) == {"price": ("2.00", 2), "quantity": (1, 1)}


def test_an_undecided_message_that_was_replaced_as_a_whole_names_its_winner() -> None:
    key, ledger = folded([arrival(1, sequence=1, price="1.00")])
    flying, key.pending = key.pending, None
    assert flying is not None
    ledger.note(coalesce(key, arrival(2, sequence=2, price="2.00")))

    ledger.note(coalescing.land(key, [(flying, None)]))

    assert superseded_by(ledger) == {1: 2}


@pytest.mark.requirement("R62")
@pytest.mark.parametrize(
    ("facets", "expected"),
    [({"quantity": 0}, URGENT), ({"quantity": 0, "price": "1.00"}, URGENT), ({"quantity": 1}, ORDINARY), ({"price": "0.01"}, ORDINARY)],
)
def test_what_takes_a_sku_out_of_stock_is_urgent(facets: dict[str, Any], expected: int) -> None:
    key, _ = folded([arrival(1, **facets)])

    assert key.pending is not None
    assert coalescing.priority(key.pending) == expected


def test_a_warning_is_told_once_and_only_to_the_message_whose_facet_it_is_about() -> None:
    key, _ = folded([arrival(1, source="a", handling_time=None), arrival(2, source="b", quantity=5)])
    assert key.pending is not None
    warning = Issue(code="W", message="!", severity=Severity.WARNING, field="handling_time")

    coalescing.warn(key.pending, [warning])
    coalescing.warn(key.pending, [warning])
    ended = coalescing.drop(key.pending, dict.fromkeys(key.pending.facets, Fate(Outcome.ACCEPTED)))

    assert {settled.message: settled.issues for settled in ended} == {1: (warning,), 2: ()}
    assert {settled.message: str(settled.outcome) for settled in ended} == {1: "accepted_with_warnings", 2: "accepted"}
