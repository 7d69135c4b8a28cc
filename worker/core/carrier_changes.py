"""What another setting would have made of a shipment: the same message decided twice, by the functions that staging uses."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import msgspec

from worker.core.carriers import Decision
from worker.core.connections import ConnectionSettings, SyncOrders, from_amazon
from worker.core.json import JsonObject
from worker.core.shipments import Made, ShipmentTemplate


class CarrierChange(msgspec.Struct, frozen=True):
    """One shipment that would go otherwise."""

    amazon_order_id: str
    before: Decision
    after: Decision


Compare = Callable[[JsonObject, datetime], CarrierChange | None]
"""From a shipment message's data, and when it came, to how its carrier would change; None: Amazon would get what it gets now."""


def comparer(settings: ConnectionSettings, altered: SyncOrders) -> Compare:
    """Return the comparison of a connection's *settings* with *altered*, of which only what decides carriers is read."""
    own_sku = partial(from_amazon, prefix=settings.sku_prefix)
    now, then = (ShipmentTemplate(each, own_sku) for each in (settings, settings.model_copy(update={"sync_orders": altered})))

    def compared(data: JsonObject, received_at: datetime) -> CarrierChange | None:
        before, after = (template.make(data, "", received_at) for template in (now, then))
        # What the template refuses is refused either way, and an empty fulfillment is not sent.
        if before.shipment is None or after.shipment is None or not data["items"] or _is_refused_anyway(before):
            return None
        was, would_be = before.shipment.decision, after.shipment.decision
        if _outcome(before, was) == _outcome(after, would_be):
            return None
        return CarrierChange(data["amazon_order_id"], was, would_be)

    return compared


def _is_refused_anyway(made: Made) -> bool:
    """Whether the message has a fault beside those of its carrier."""
    return made.shipment is not None and any(fault not in made.shipment.decision.faults for fault in made.facets.faults)


def _outcome(made: Made, decision: Decision) -> object:
    """What an operator would see: the elements at Amazon, or the codes of a refusal."""
    return [fault.code for fault in made.facets.faults] or decision.sent
