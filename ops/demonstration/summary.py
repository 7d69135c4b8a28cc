"""What the demo found in the end: as one JSON object, and as tables."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ops.cli.output import emit, facts, say, table
from ops.demonstration import model, shipping
from ops.demonstration.ledger import Feed
from ops.demonstration.proof import Observed, catalogue_differences
from ops.demonstration.scenario import Scenario
from ops.demonstration.sellers import SELLERS
from ops.demonstration.words import INVALID

MOST_DIFFERENCES_SHOWN: Final = 20
OK_STATUS: Final = "2"


class Summary(NamedTuple):
    """*seconds*: by part of the demo."""

    scenario: Scenario
    seen: Observed
    feeds: Sequence[Feed]
    differences: Sequence[str]
    seconds: Mapping[str, float]
    speed: float

    @property
    def is_well(self) -> bool:
        return not self.differences

    @property
    def throttled(self) -> int:
        return sum(calls.get("429", 0) for calls in self.seen.calls.values())

    def outcomes(self) -> dict[str, dict[str, int]]:
        """Return for every word how often it must be, may be, and was the outcome."""
        expected = model.outcomes(self.scenario).values()
        got = Counter(each.outcome or "none" for each in self.seen.decided)
        found = {}
        for word in sorted({*got, *(word for words in expected for word in words)}):
            at_least, at_most = model.between(expected, word)
            found[word] = {"at_least": at_least, "at_most": at_most, "got": got[word]}
        return found

    def skus(self) -> tuple[int, int]:
        """Return how many SKUs Amazon lists, and how many of them are as they must be."""
        listed = len(model.at_amazon(self.scenario))
        return listed, listed - len(catalogue_differences(self.scenario, self.seen.catalogue))

    def orders(self) -> tuple[int, int]:
        """Return how many orders Amazon knows, and of how many every item was confirmed as it must be."""
        return shipping.confirmed(self.scenario.orders, self.seen.orders)

    def imported_listings(self) -> int:
        return sum(map(len, self.seen.imported.skus.values()))

    def as_json(self) -> dict[str, Any]:
        listed, equal = self.skus()
        known, confirmed = self.orders()
        return {
            "ok": self.is_well,
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()},
            "clock_speed": self.speed,
            "published": {
                "messages": len(self.scenario.messages),
                "repeats": self.scenario.repeats,
                "skus": len(self.scenario.listings),
                "sellers": len(SELLERS),
                "new_listings": len(self.scenario.publications),
                "orders": len(self.scenario.orders),
            },
            "outcomes": self.outcomes(),
            "refused_without_identity": dict(self.seen.unidentified),
            "feeds": [feed._asdict() | {"seconds": round(feed.seconds, 1)} for feed in self.feeds],
            "coalescing": self.coalescing(),
            "calls": self.seen.calls,
            "throttled": self.throttled,
            "catalogue": {"skus": listed, "as_expected": equal},
            "orders": {"known_to_amazon": known, "as_expected": confirmed},
            "imported": {"listings": self.imported_listings(), "orders": len(self.seen.imported.orders)},
            "differences": list(self.differences),
        }

    def coalescing(self) -> dict[str, int]:
        valid = sum(message.fault is None for message in self.scenario.messages)
        valid += sum(saying.outcomes != {INVALID} for saying in self.scenario.sayings(model.ANY_TIME))
        sent = sum(feed.messages for feed in self.feeds)
        return {"valid_messages": valid, "feed_messages": sent, "feeds": len(self.feeds), "spared": valid - sent}


def print_json(summary: Summary) -> None:
    emit(summary.as_json())


def print_tables(summary: Summary) -> None:
    scenario, coalescing = summary.scenario, summary.coalescing()
    say("")
    table(
        ("outcome", "expected", "got"),
        [
            (word, f"{n['at_least']:,}" if n["at_least"] == n["at_most"] else f"{n['at_least']:,} to {n['at_most']:,}", f"{n['got']:,}")
            for word, n in summary.outcomes().items()
        ],
    )
    say("What is not the newest may have reached Amazon before the newer came, or not: hence the ranges.")
    say("")
    table(
        ("feed", "connection", "type", "Amazon's id", "state", "messages", "accepted", "rejected", "seconds"),
        [
            (f.id, f.connection, f.feed_type, f.amazon_feed_id, f.state, f.messages, f.accepted, f.rejected, f"{f.seconds:.1f}")
            for f in summary.feeds
        ],
    )
    say("")
    table(
        ("call", "answered", "refused (429)", "other"),
        [
            (
                operation,
                sum(count for status, count in calls.items() if status.startswith(OK_STATUS)),
                calls.get("429", 0),
                sum(count for status, count in calls.items() if not status.startswith(OK_STATUS) and status != "429"),
            )
            for operation, calls in sorted(summary.seen.calls.items())
        ],
    )
    say("")
    listed, equal = summary.skus()
    known, confirmed = summary.orders()
    factor = f"{summary.speed:g}"
    facts(
        (
            (
                "Published",
                f"{len(scenario.messages):,} messages and {scenario.repeats:,} repeats of some, on {len(scenario.listings):,} SKUs",
            ),
            (
                "And",
                f"{len(scenario.publications):,} new listings with their newer prices, and the parcels of {len(scenario.orders):,} orders",
            ),
            (
                "Coalescing",
                "{valid_messages:,} valid messages became {feed_messages:,} feed messages in {feeds} feeds".format(**coalescing),
            ),
            ("Catalogue", f"{equal:,} of {listed:,} SKUs have exactly the newest price, quantity and lead time at Amazon"),
            (
                "Imported",
                f"{summary.imported_listings():,} listings and {len(summary.seen.imported.orders):,} orders, by runs of each connection",
            ),
            ("Orders", f"{confirmed:,} of the {known:,} orders that Amazon knows are confirmed: every item once, whole, by its own parcel"),
            ("Quotas", f"{summary.throttled} calls were refused; Amazon's clock ran {factor} times as fast as ours"),
            ("Seconds", ", ".join(f"{name} {value:.1f}" for name, value in summary.seconds.items())),
        )
    )
    print_differences(summary.differences)
    say("")
    say("All is as it must be." if summary.is_well else f"{len(summary.differences):,} things are not as they must be.")


def print_differences(differences: Sequence[str]) -> None:
    if differences:
        say("")
    for difference in differences[:MOST_DIFFERENCES_SHOWN]:
        say(f"  {difference}")
    if len(differences) > MOST_DIFFERENCES_SHOWN:
        say(f"  and {len(differences) - MOST_DIFFERENCES_SHOWN:,} more")
