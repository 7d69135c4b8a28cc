"""The life of one SKU under listing and inventory messages in any order, against an Amazon that reads the rendered feed messages."""

from collections.abc import Mapping
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.core.folding import NOON, Ledger, new_key
from worker.core import coalescing, listing_messages
from worker.core.coalescing import Arrival, Change, Flight, coalesce, publishes
from worker.core.facets import HANDLING_TIME, LISTING, PRICE, QUANTITY, Value
from worker.core.feed_document import Listing, Offer, PatchOp
from worker.core.json import JsonObject
from worker.core.ordering import Version, version
from worker.core.outcomes import Fate, Outcome, Reason

OFFER = Offer("M", "USD", "en_US", "DEFAULT", PatchOp.MERGE, maps_handling_time=True, sends_quantity=True, guards_fba=True)
SHARED = (PRICE, QUANTITY, HANDLING_TIME)
VALUES = st.dictionaries(st.sampled_from(SHARED), st.integers(1, 3), max_size=3)
SOURCES = st.sampled_from(["erp", "shop"])
SEQUENCES = st.integers(0, 6)
KEYS = {QUANTITY: "quantity", HANDLING_TIME: "lead_time_to_ship_max_days"}


def value(facet: str, number: int) -> Value:
    return Value(f"{number}.00" if facet == PRICE else number)


def document(number: int, operation: str) -> Value:
    """A listing that differs by its condition only."""
    return Value({"operation": operation, "attributes": {"condition_type": [{"value": number}]}, "digest": f"{operation} {number}"})


class Amazon:
    """What Amazon has of the SKU: by facet, and the condition by its name. None: no listing."""

    def __init__(self) -> None:
        self.item: dict[str, Any] | None = None

    def take(self, message: JsonObject) -> None:
        match message["operationType"]:
            case "DELETE":
                self.item = None
            case "PATCH":
                assert self.item is not None, "a patch of a SKU that Amazon does not know makes a broken listing"
                for patch in message["patches"]:
                    self._write(patch["path"].rpartition("/")[2], patch["value"][0])
            case operation:
                assert self.item is not None or operation == "UPDATE", "an incomplete listing would be made of it"
                self.item = {} if operation == "UPDATE" or self.item is None else self.item
                for name, instances in message["attributes"].items():
                    if name == "fulfillment_availability":
                        assert operation == "UPDATE" or "quantity" in instances[0] or QUANTITY not in self.item, "its stock would be gone"
                        self.item = {key: kept for key, kept in self.item.items() if key not in KEYS}
                    self._write(name, instances[0])

    def _write(self, name: str, instance: Mapping[str, Any]) -> None:
        assert self.item is not None
        if name == "purchasable_offer":
            self.item[PRICE] = str(instance["our_price"][0]["schedule"][0]["value_with_tax"])
        elif name == "fulfillment_availability":
            self.item.update({facet: instance[key] for facet, key in KEYS.items() if key in instance})
        else:
            self.item[name] = instance["value"]


class ListingLife(RuleBasedStateMachine):
    """`newest`: by facet, the message that said it last, or deleted the listing after that."""

    def __init__(self) -> None:
        super().__init__()
        self.key = new_key()
        self.ledger = Ledger()
        self.amazon = Amazon()
        self.linked = False
        self.arrived: dict[int, Arrival] = {}
        self.newest: dict[str, int] = {}
        self.said: dict[tuple[str, str], tuple[Version, int]] = {}
        self.flying: tuple[Flight, JsonObject] | None = None

    def _arrives(self, source: str, sequence: int, facets: Mapping[str, Value]) -> None:
        number = len(self.arrived) + 1
        message = Arrival(
            message=number, source=source, type="feedline.listing.v1", version=version(sequence, NOON), published=0.0, facets=facets
        )
        self.arrived[number] = message
        self.ledger.note(coalesce(self.key, message))
        for facet, said in facets.items():
            before = self.said.get((source, facet))
            if before is not None and message.version < before[0]:
                continue
            self._is_newest(source, facet, message)
            if facet == LISTING and said.cleared:
                for other in SHARED:
                    own = self.said.get((source, other))
                    if own is None or message.version >= own[0]:
                        self._is_newest(source, other, message)
                    elif self.newest.get(other) != own[1]:
                        self.newest[other] = number

    def _is_newest(self, source: str, facet: str, message: Arrival) -> None:
        self.said[source, facet] = (message.version, message.message)
        self.newest[facet] = message.message

    @rule(source=SOURCES, sequence=SEQUENCES, values=VALUES)
    def an_inventory_message_arrives(self, source: str, sequence: int, values: dict[str, int]) -> None:
        self._arrives(source, sequence, {facet: value(facet, number) for facet, number in values.items()})

    @rule(
        source=SOURCES, sequence=SEQUENCES, values=VALUES, number=st.integers(1, 3), operation=st.sampled_from(["UPDATE", "PARTIAL_UPDATE"])
    )
    def a_listing_message_arrives(self, source: str, sequence: int, values: dict[str, int], number: int, operation: str) -> None:
        shared = {facet: value(facet, part) for facet, part in values.items()}
        self._arrives(source, sequence, {LISTING: document(number, operation), **shared})

    @rule(source=SOURCES, sequence=SEQUENCES)
    def a_deletion_arrives(self, source: str, sequence: int) -> None:
        self._arrives(source, sequence, {LISTING: Value(cleared=True)})

    @precondition(lambda self: self.flying is None and self.key.pending is not None)
    @rule()
    def it_is_linked_and_a_feed_takes_it(self) -> None:
        change = self.key.pending
        assert change is not None
        if not self.linked and not publishes(change):
            self.linked = self.amazon.item is not None
            if not self.linked:
                unknown = Fate(Outcome.REJECTED, reason="SKU_UNKNOWN")
                gone = Fate(Outcome.UNCHANGED)
                fates = {facet: gone if facet == LISTING and said.value.cleared else unknown for facet, said in change.facets.items()}
                self.ledger.note(coalescing.drop(change, fates))
                self.key.pending = None
                return
        patch = listing_messages.render(change, self.key.confirmed, self.key.lead_time_said, Listing("S", "PRODUCT", ()), OFFER)
        if isinstance(patch, Reason):
            assert QUANTITY not in change.facets, "it waits for a quantity"
            return
        assert not patch.dropped
        taken = coalescing.take(change, patch.facets or list(change.facets))
        self.key.pending = change if change.messages else None
        for facet, said in taken.facets.items():
            assert self._is_newest_of(facet, said.message), "a value that is not the newest went out"
        was = coalescing.take_off(self.key, {*taken.facets, *patch.sent, *patch.replaces})
        self.flying = Flight(taken, dict(patch.sent), was), patch.message

    @precondition(lambda self: self.flying is not None)
    @rule(outcome=st.sampled_from([Outcome.ACCEPTED, Outcome.REJECTED, None]), applied=st.booleans())
    def amazon_ends_the_feed(self, outcome: Outcome | None, applied: bool) -> None:
        assert self.flying is not None
        (flight, message), self.flying = self.flying, None
        if outcome is Outcome.ACCEPTED or (outcome is None and applied):
            self.amazon.take(message)
        known: Mapping[str, Value]
        apart: list[tuple[Change, Fate | None]]
        if outcome is None:
            known, apart = coalescing.stands_either_way(flight), [(flight.change, None)]
        elif outcome is Outcome.REJECTED:
            known, apart = flight.was, coalescing.refused(flight, Fate(outcome))
        else:
            self.linked = self.linked if LISTING not in flight.change.facets else not flight.change.facets[LISTING].value.cleared
            known, apart = flight.sent, [(flight.change, Fate(outcome))]
        self.ledger.note(coalescing.land(self.key, apart))
        self.ledger.note(coalescing.confirm(self.key, known))

    @invariant()
    def every_message_has_ended_or_is_on_its_way(self) -> None:
        waiting = set(self.key.pending.messages) if self.key.pending else set()
        flying = set(self.flying[0].change.messages) if self.flying else set()
        assert self.ledger.ended.keys() | waiting | flying == self.arrived.keys()
        assert not (self.ledger.ended.keys() & (waiting | flying))

    @invariant()
    def what_waits_is_the_newest(self) -> None:
        for facet, said in (self.key.pending.facets if self.key.pending else {}).items():
            assert self._is_newest_of(facet, said.message)

    def _is_newest_of(self, facet: str, message: int) -> bool:
        """A deletion that a later listing superseded did not happen: what was on its way before it counts again."""
        newest = self.newest[facet]
        overtaken = facet not in self.arrived[newest].facets and newest in self.ledger.ended
        return message == newest or (overtaken and self.ledger.ended[newest].outcome is Outcome.SUPERSEDED)

    @invariant()
    def what_counts_as_confirmed_is_what_amazon_has(self) -> None:
        for facet, known in self.key.confirmed.items():
            assert self.amazon.item is not None
            if facet == LISTING:
                assert str(self.amazon.item["condition_type"]) == known.value["digest"].rpartition(" ")[2]
            else:
                assert self.amazon.item[facet] == known.value

    def teardown(self) -> None:
        """Let Amazon accept whatever comes: then the newest of every facet stands there, unless it was refused or deleted."""
        while self.flying is not None or self.key.pending is not None:
            if self.flying is None:
                self.it_is_linked_and_a_feed_takes_it()
            if self.flying is not None:
                self.amazon_ends_the_feed(Outcome.ACCEPTED, applied=True)
            elif self.key.pending is not None:
                self._arrives("warehouse", 0, {QUANTITY: value(QUANTITY, 1)})
        self.every_message_has_ended_or_is_on_its_way()
        for facet in SHARED:
            message = self.arrived.get(self.newest.get(facet, 0))
            if message is None or facet not in message.facets:
                continue
            fate = self.ledger.ended[message.message].facets[facet]
            if fate.outcome in {Outcome.ACCEPTED, Outcome.UNCHANGED} and self.amazon.item is not None and not self._deleted_since(message):
                assert self.amazon.item[facet] == message.facets[facet].value

    def _deleted_since(self, message: Arrival) -> bool:
        later = (other for number, other in self.arrived.items() if number > message.message)
        return any(LISTING in other.facets and other.facets[LISTING].cleared for other in later)


ListingLife.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestListingLife = ListingLife.TestCase
