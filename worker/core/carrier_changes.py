"""What another setting would have made of a shipment: the same message decided twice, by the functions that staging uses."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from worker.core.carriers import Decision, decider
from worker.core.json import JsonObject
from worker.core.shipment_mapping import ShipmentMapping

if TYPE_CHECKING:
    from worker.core.connections import ConnectionSettings, SyncOrders


class CarrierChange(msgspec.Struct, frozen=True):
    """One shipment that would go otherwise."""

    amazon_order_id: str
    before: Decision
    after: Decision


Compare = Callable[[JsonObject], CarrierChange | None]
"""From a shipment message's data to how its carrier would change; None: Amazon would get what it gets now."""


def comparer(settings: "ConnectionSettings", altered: "SyncOrders") -> Compare:
    """Return the comparison of a connection's *settings* with *altered*, of which only what decides carriers is read."""
    mapping = ShipmentMapping(settings)
    decide_now, decide_then = decider(settings.sync_orders), decider(altered)

    def compared(data: JsonObject) -> CarrierChange | None:
        mapped = mapping.mapped(data)
        # An empty fulfillment is not sent, and what the template refuses is refused either way.
        if mapped.faults or not data["items"]:
            return None
        said = (mapped.carrier, mapped.method, mapped.tracking_number)
        before, after = decide_now(*said), decide_then(*said)
        return None if _outcome(before) == _outcome(after) else CarrierChange(data["amazon_order_id"], before, after)

    return compared


def _outcome(decision: Decision) -> object:
    """What an operator would see: the elements at Amazon, or the codes of a refusal."""
    return [fault.code for fault in decision.faults] or decision.sent
