"""The proof: what Feedline says of every message, and what Amazon has of every SKU, against what the model expects."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ops.demonstration import imports, model, shipping
from ops.demonstration.imports import Imported
from ops.demonstration.ledger import Decided
from ops.demonstration.sayings import Saying
from ops.demonstration.scenario import Message, Nature, Scenario
from ops.demonstration.sellers import Offer
from ops.demonstration.words import REJECTED

Catalogue = Mapping[str, Mapping[str, Any]]
"""The simulator's items by SKU."""

_CODES: Final = {Nature.REFUSED: "5665", Nature.UNKNOWN: "SKU_UNKNOWN", Nature.AMAZON_FULFILS: "FBA_GUARD"}
"""Why messages on such SKUs are rejected: an issue with this code must say so."""


class Observed(NamedTuple):
    """All that was seen in the end. `unidentified`: codes of refused deliveries without identity; `calls`: operation, status, count.

    `orders`: the simulator's, by order id.
    """

    decided: Sequence[Decided]
    repeats: int
    unidentified: Counter[str]
    catalogue: Catalogue
    orders: Mapping[str, Mapping[str, Any]]
    imported: Imported
    calls: Mapping[str, Mapping[str, int]]


def differences(scenario: Scenario, seen: Observed) -> list[str]:
    """Return a sentence for everything that is not as expected; nothing when all is well."""
    return [
        *_in_outcomes(scenario, seen.decided),
        *_in_what_has_no_outcome(scenario, seen),
        *(f"{sku}: {said}" for sku, said in catalogue_differences(scenario, seen.catalogue).items()),
        *shipping.differences(scenario.orders, seen.orders),
        *imports.differences(scenario, seen.imported),
        *(f"{operation} was answered {calls['429']} times with 429" for operation, calls in seen.calls.items() if "429" in calls),
    ]


def _in_outcomes(scenario: Scenario, decided: Sequence[Decided]) -> Iterator[str]:
    expected = model.outcomes(scenario)
    told: list[Message | Saying] = [*scenario.messages, *scenario.sayings(model.ANY_TIME)]
    messages = {(message.source, message.id): message for message in told}
    times = Counter((each.source, each.id) for each in decided)
    for each in decided:
        words = expected.get((each.source, each.id))
        if words is None:
            yield f"{each.source} {each.id}: a message that was never published"
        elif each.outcome not in words:
            yield f"{each.id}: {each.outcome or 'no outcome'} in place of {' or '.join(sorted(words))}"
        elif (code := _code(messages[each.source, each.id], each.outcome)) and code not in each.codes:
            yield f"{each.id}: {each.outcome} for {', '.join(sorted(each.codes)) or 'no reason'} in place of {code}"
    for identity in expected:
        if times[identity] != 1:
            yield f"{identity[1]}: logged {times[identity]} times"


def _code(message: Message | Saying, outcome: str) -> str | None:
    """Return the code that must be among the issues of *message*, if one must."""
    if isinstance(message, Saying):
        return message.code
    if message.fault is not None:
        return message.fault.code
    return _CODES[message.listing.nature] if outcome == REJECTED else None


def _in_what_has_no_outcome(scenario: Scenario, seen: Observed) -> Iterator[str]:
    if seen.repeats != scenario.repeats:
        yield f"{seen.repeats} repeats were recognised in place of {scenario.repeats}"
    expected = Counter(message.fault.code for message in scenario.messages if message.fault and not message.fault.has_identity)
    for code in sorted(expected | seen.unidentified):
        if seen.unidentified[code] != expected[code]:
            yield f"{seen.unidentified[code]} deliveries were kept as {code} in place of {expected[code]}"


def catalogue_differences(scenario: Scenario, catalogue: Catalogue) -> dict[str, str]:
    """Return by SKU what Amazon has in place of what it should have."""
    expected = model.at_amazon(scenario)
    found = {sku: _offer(item) for sku, item in catalogue.items()}
    return {
        sku: f"Amazon has {_shown(found.get(sku))} in place of {_shown(expected.get(sku))}"
        for sku in sorted(expected.keys() | found.keys())
        if expected.get(sku) != found.get(sku)
    }


def _offer(item: Mapping[str, Any]) -> Offer:
    # The simulator tells prices as texts with the digits that it was sent; Decimals compare exactly.
    return Offer(Decimal(item["price"]), item["quantity"], item["lead_time"])


def _shown(offer: Offer | None) -> str:
    return "nothing" if offer is None else f"{offer.price} / {offer.quantity} pieces / {offer.handling_time} days"
