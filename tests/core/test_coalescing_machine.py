"""The life of one key under random messages, feeds and reports, against a model in plain words."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.core.folding import Ledger, arrival, new_key
from worker.core import coalescing
from worker.core.coalescing import Arrival, Change, Flight, coalesce, same
from worker.core.facets import Value
from worker.core.outcomes import Fate, Outcome

FACETS = ("price", "quantity", "handling_time")
OUTCOMES = st.sampled_from([Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_WARNINGS, Outcome.REJECTED, None])
"""None: Amazon leaves it open."""
VALUES = st.dictionaries(st.sampled_from(FACETS), st.integers(0, 3), max_size=3)


def written(facet: str, number: int) -> int | str:
    return f"{number + 1}.00" if facet == "price" else number


class KeyLife(RuleBasedStateMachine):
    """`newest`: by facet, the message whose value must stand in the end; `amazon`: what Amazon really has."""

    def __init__(self) -> None:
        super().__init__()
        self.key = new_key()
        self.ledger = Ledger()
        self.arrived: dict[int, Arrival] = {}
        self.flying: list[Flight] = []
        self.amazon: dict[str, Value] = {}
        self.newest: dict[str, int] = {}
        self.said: dict[tuple[str, str], tuple[Any, int]] = {}
        self.sequenced: set[str] = set()

    @rule(source=st.sampled_from(["erp", "shop"]), sequence=st.none() | st.integers(0, 5), minute=st.integers(0, 5), values=VALUES)
    def a_message_arrives(self, source: str, sequence: int | None, minute: int, values: dict[str, int]) -> None:
        number = len(self.arrived) + 1
        message = arrival(number, source=source, sequence=sequence, minute=minute, **{f: written(f, n) for f, n in values.items()})
        self.arrived[number] = message

        ended = list(coalesce(self.key, message))

        self.ledger.note(ended)
        if source in self.sequenced and sequence is None:
            assert [settled.outcome for settled in ended] == [Outcome.INVALID]
            return
        if sequence is not None:
            self.sequenced.add(source)
        for facet in message.facets:
            before = self.said.get((source, facet))
            if before is None or message.version >= before[0]:
                self.said[source, facet] = (message.version, number)
                self.newest[facet] = number

    @precondition(lambda self: not self.flying and self.key.pending is not None)
    @rule(parts=st.lists(st.sets(st.sampled_from(FACETS), min_size=1), max_size=3))
    def a_feed_takes_some_of_it(self, parts: list[set[str]]) -> None:
        for part in parts:
            facets = part & (self.key.pending.facets.keys() if self.key.pending is not None else set())
            if facets and self.key.pending is not None:
                self._flies(coalescing.take(self.key.pending, facets))
                self.key.pending = self.key.pending if self.key.pending.messages else None

    @precondition(lambda self: not self.flying and self.key.pending is not None)
    @rule()
    def a_feed_takes_all_of_it(self) -> None:
        change, self.key.pending = self.key.pending, None
        assert change is not None
        self._flies(change)

    def _flies(self, change: Change) -> None:
        sent = {facet: said.value for facet, said in change.facets.items()}
        for facet, said in change.facets.items():
            assert self.newest[facet] == said.message, "a value that is not the newest went out"
        self.flying.append(Flight(change, sent, coalescing.take_off(self.key, sent)))

    @precondition(lambda self: self.flying)
    @rule(outcomes=st.lists(OUTCOMES, min_size=3, max_size=3), applied=st.booleans())
    def amazon_ends_the_feed(self, outcomes: list[Outcome | None], applied: bool) -> None:
        ends = list(zip(self.flying, outcomes, strict=False))
        for flight, outcome in ends:
            if (outcome is None and applied) or outcome in {Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_WARNINGS}:
                self.amazon.update(flight.sent)
        self.flying = []
        fates = [(flight.change, None if outcome is None else Fate(outcome)) for flight, outcome in ends]
        self.ledger.note(coalescing.land(self.key, fates))
        for flight, outcome in ends:
            if outcome is not None:
                self.ledger.note(coalescing.confirm(self.key, flight.was if outcome is Outcome.REJECTED else flight.sent))

    @invariant()
    def every_message_has_ended_or_is_on_its_way(self) -> None:
        waiting = set(self.key.pending.messages) if self.key.pending else set()
        flying = {message for flight in self.flying for message in flight.change.messages}
        assert self.ledger.ended.keys() | waiting | flying == self.arrived.keys()
        assert not (self.ledger.ended.keys() & (waiting | flying))

    @invariant()
    def no_message_is_kept_without_a_facet_and_no_facet_without_its_message(self) -> None:
        flying = {message for flight in self.flying for message in flight.change.messages}
        for change in (self.key.pending, *(flight.change for flight in self.flying)):
            if change is not None:
                said = {said.message for said in change.facets.values()}
                assert said <= change.messages.keys() != set()
                assert change.messages.keys() - said <= (flying if change is self.key.pending else set())

    @invariant()
    def what_waits_is_the_newest(self) -> None:
        for facet, said in (self.key.pending.facets if self.key.pending else {}).items():
            assert said.message == self.newest[facet]
            assert said.value == self.arrived[said.message].facets[facet]

    @invariant()
    def what_counts_as_confirmed_is_what_amazon_has(self) -> None:
        for facet, value in self.key.confirmed.items():
            assert same(facet, value, self.amazon[facet])
            assert all(facet not in flight.sent for flight in self.flying)

    @invariant()
    def whoever_is_superseded_names_a_message_that_arrived(self) -> None:
        for settled in self.ledger.ended.values():
            if settled.outcome is Outcome.SUPERSEDED:
                assert settled.by in self.arrived
                assert settled.by != settled.message

    def teardown(self) -> None:
        """Let Amazon accept whatever comes: then the newest of every facet stands there, unless Amazon refused it."""
        while self.flying or self.key.pending is not None:
            if not self.flying:
                self.a_feed_takes_all_of_it()
            self.amazon_ends_the_feed([Outcome.ACCEPTED] * 3, applied=True)
        self.every_message_has_ended_or_is_on_its_way()
        for facet, message in self.newest.items():
            fates = self.ledger.ended[message].facets
            if fates[facet].outcome is not Outcome.REJECTED:
                assert same(facet, self.amazon[facet], self.arrived[message].facets[facet])


KeyLife.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestKeyLife = KeyLife.TestCase
