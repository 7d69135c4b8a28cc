"""Re-sync: pending messages are mapped anew in place, and of refused ones only what nothing newer speaks of goes again."""

import copy
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.coalescing import Arrival, Key, coalesce
from worker.core.facets import Value
from worker.core.issues import issue
from worker.core.ordering import version
from worker.core.outcomes import Outcome
from worker.core.resync import SOURCE, alone, differs, remap, sent_again, standing

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
FACETS = ("price", "quantity", "handling_time")
MESSAGES = st.lists(
    st.tuples(st.sampled_from(["erp", "wms"]), st.dictionaries(st.sampled_from(FACETS[1:]), st.integers(0, 3), min_size=1)),
    min_size=1,
    max_size=6,
)


def said(number: int, *, source: str = "erp", **facets: object) -> Arrival:
    values = {facet: Value(value) for facet, value in facets.items()}
    return Arrival(message=number, source=source, type="t", version=version(number, NOW), published=0.0, facets=values)


def key_of(*arrivals: Arrival) -> Key:
    key = Key(None, {}, {})
    for each in arrivals:
        list(coalesce(key, each))
    return key


@pytest.mark.requirement("R102")
@given(MESSAGES)
def test_mapping_anew_by_the_same_settings_changes_nothing(messages: list[tuple[str, dict[str, int]]]) -> None:
    arrivals = [said(number, source=source, **facets) for number, (source, facets) in enumerate(messages, 1)]
    key = key_of(*arrivals)
    before = copy.deepcopy(key)

    settled = [each for arrival in arrivals for each in remap(key, arrival)]

    assert settled == []
    assert key == before


@pytest.mark.requirement("R102")
@given(MESSAGES)
def test_every_message_ends_once_whatever_the_settings_now_make_of_it(messages: list[tuple[str, dict[str, int]]]) -> None:
    arrivals = [said(number, source=source, **facets) for number, (source, facets) in enumerate(messages, 1)]
    key = Key(None, {}, {})
    ended = [settled.message for arrival in arrivals for settled in coalesce(key, arrival)]

    # Quantities are not mapped any more, handling times become prices.
    for arrival in arrivals:
        now = {"price": "1.00"} if "handling_time" in arrival.facets else {}
        ended += [settled.message for settled in remap(key, said(arrival.message, source=arrival.source, **now))]

    waiting = set() if key.pending is None else set(key.pending.messages)
    assert sorted([*ended, *waiting]) == [arrival.message for arrival in arrivals]
    assert key.pending is None or set(key.pending.facets) == {"price"}


def test_what_the_settings_now_refuse_ends_invalid_and_the_rest_of_the_key_goes_on() -> None:
    key = key_of(said(1, quantity=3), said(2, price="1.00"))
    fault = issue("QUANTITY_INVALID", field="quantity", value="x", reason="it is none.")

    (settled,) = remap(key, said(1), (fault,))

    assert (settled.message, settled.outcome, settled.issues) == (1, Outcome.INVALID, (fault,))
    assert key.pending is not None
    assert set(key.pending.facets) == {"price"}


def test_what_amazon_has_already_ends_unchanged() -> None:
    key = key_of(said(1, quantity=3))
    key.confirmed["quantity"] = Value(8)

    (settled,) = remap(key, said(1, quantity=8))

    assert settled.outcome is Outcome.UNCHANGED
    assert key.pending is None


def test_of_a_refused_message_that_stands_of_which_nothing_newer_was_said() -> None:
    key = key_of(said(1, price="1.00", quantity=3), said(2, source="wms", price="2.00"))

    assert set(standing(key, said(1, price="1.00", quantity=3))) == {"quantity"}
    assert standing(key, said(3, quantity=4)) == {"quantity": Value(4)}
    older_version = Arrival(
        message=9, source="erp", type="t", version=version(0, NOW), published=0.0, facets={"price": Value("9.00"), "quantity": Value(9)}
    )
    assert standing(key, older_version) == {}, "it came later, and its own source has told a newer one"


def test_a_refused_deletion_never_goes_after_anything_that_was_said_of_its_sku_since() -> None:
    key = key_of(said(6, price="1.00"))
    deletion = Arrival(
        message=5, source="shop", type="t", version=version(None, NOW), published=0.0, facets={"listing": Value(cleared=True)}
    )

    assert standing(Key(None, {}, {}), deletion) == {"listing": Value(cleared=True)}
    assert standing(key, deletion) == {}
    assert standing(Key(None, {}, {}), deletion, {"quantity"}) == {}, "a newer message that was refused, too, counts on the listing"


def test_a_message_that_lacks_its_sequence_never_goes_again() -> None:
    key = key_of(said(1, quantity=3))
    without = Arrival(message=2, source="erp", type="t", version=version(None, NOW), published=0.0, facets={"price": Value("1.00")})

    assert standing(key, without) == {}


def test_refused_messages_of_a_key_are_rendered_by_themselves_and_compared_by_what_would_be_sent() -> None:
    key = key_of(said(1, price="1.00"))

    apart = alone(key, [said(2, quantity=1), said(3, quantity=2)])

    assert apart.pending is not None
    assert {facet: each.value.value for facet, each in apart.pending.facets.items()} == {"quantity": 2}
    assert (differs(["a"], {"a", "b"}), differs(["a", "c"], {"a"}), differs([], set())) == (False, True, False)


def test_what_goes_again_is_a_message_of_feedlines_own_that_names_the_refused_one() -> None:
    notice = issue("SENT_AGAIN", value="m1", reason="erp", limit=7)

    again = sent_again(said(1, quantity=3, price="1.00"), {"quantity": Value(3)}, 99, notice, NOW)

    assert (again.message, again.source, dict(again.facets)) == (99, SOURCE, {"quantity": Value(3)})
    assert (again.version, again.warnings) == (version(None, NOW), (notice,))
