"""The life of one key under random messages, feeds and reports, against a model in plain words."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.core.folding import Ledger, arrival, new_key
from worker.core import coalescing
from worker.core.coalescing import Arrival, Change, coalesce, same
from worker.core.facets import Value
from worker.core.outcomes import Fate, Outcome

FACETS = ("price", "quantity", "handling_time")
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
        self.flying: Change | None = None
        self.sent: dict[str, Value] = {}
        self.was: dict[str, Value] = {}
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

    @precondition(lambda self: self.flying is None and self.key.pending is not None)
    @rule()
    def a_feed_takes_it(self) -> None:
        self.flying, self.key.pending = self.key.pending, None
        assert self.flying is not None
        self.sent = {facet: said.value for facet, said in self.flying.facets.items()}
        for facet, said in self.flying.facets.items():
            assert self.newest[facet] == said.message, "a value that is not the newest went out"
        self.was = coalescing.take_off(self.key, self.sent)

    @precondition(lambda self: self.flying is not None)
    @rule(outcome=st.sampled_from([Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_WARNINGS]))
    def amazon_accepts(self, outcome: Outcome) -> None:
        self.amazon.update(self.sent)
        self._decided(Fate(outcome), self.sent)

    @precondition(lambda self: self.flying is not None)
    @rule()
    def amazon_rejects(self) -> None:
        self._decided(Fate(Outcome.REJECTED), self.was)

    @precondition(lambda self: self.flying is not None)
    @rule(applied=st.booleans())
    def amazon_leaves_it_open(self, applied: bool) -> None:
        if applied:
            self.amazon.update(self.sent)
        assert self.flying is not None
        self.ledger.note(coalescing.give_back(self.key, self.flying))
        self.flying = None

    def _decided(self, fate: Fate, confirmed: dict[str, Value]) -> None:
        assert self.flying is not None
        self.ledger.note(coalescing.verdict_fates(self.flying, fate))
        self.ledger.note(coalescing.confirm(self.key, confirmed))
        self.flying = None

    @invariant()
    def every_message_has_ended_or_is_on_its_way(self) -> None:
        waiting = set(self.key.pending.messages) if self.key.pending else set()
        flying = set(self.flying.messages) if self.flying else set()
        assert self.ledger.ended.keys() | waiting | flying == self.arrived.keys()
        assert not (self.ledger.ended.keys() & (waiting | flying))
        assert not (waiting & flying)

    @invariant()
    def no_message_is_kept_without_a_facet_and_no_facet_without_its_message(self) -> None:
        for change in (self.key.pending, self.flying):
            if change is not None:
                assert {said.message for said in change.facets.values()} == change.messages.keys() != set()

    @invariant()
    def what_waits_is_the_newest(self) -> None:
        for facet, said in (self.key.pending.facets if self.key.pending else {}).items():
            assert said.message == self.newest[facet]
            assert said.value == self.arrived[said.message].facets[facet]

    @invariant()
    def what_counts_as_confirmed_is_what_amazon_has(self) -> None:
        for facet, value in self.key.confirmed.items():
            assert same(facet, value, self.amazon[facet])
            assert self.flying is None or facet not in self.sent

    @invariant()
    def whoever_is_superseded_names_a_message_that_arrived(self) -> None:
        for settled in self.ledger.ended.values():
            if settled.outcome is Outcome.SUPERSEDED:
                assert settled.by in self.arrived
                assert settled.by != settled.message

    def teardown(self) -> None:
        """Let Amazon accept whatever comes: then the newest of every facet stands there, unless Amazon refused it."""
        while self.flying is not None or self.key.pending is not None:
            if self.flying is None:
                self.a_feed_takes_it()
            self.amazon_accepts(Outcome.ACCEPTED)
        self.every_message_has_ended_or_is_on_its_way()
        for facet, message in self.newest.items():
            fates = self.ledger.ended[message].facets
            if fates[facet].outcome is not Outcome.REJECTED:
                assert same(facet, self.amazon[facet], self.arrived[message].facets[facet])


KeyLife.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestKeyLife = KeyLife.TestCase
