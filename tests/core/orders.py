"""Shipment messages, and the state of their order, for tests without a database."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from worker.core.coalescing import Arrival, Key
from worker.core.connections import ConnectionSettings, SyncOrders
from worker.core.fulfillments import Order, Terms
from worker.core.message_data import ShipmentData
from worker.core.messages import shipment_key
from worker.core.ordering import version
from worker.core.shipments import Made

NOW = datetime(2026, 8, 6, 12, tzinfo=UTC)
ORDER_ID = "902-3159896-1390916"
BUNDLE = "30000000000003"
UNKNOWN = Order(ORDER_ID, is_known=False, items=())
TERMS = Terms("last", "submit")


def settings(**sync_orders: Any) -> ConnectionSettings:
    return ConnectionSettings(
        name="US",
        marketplace_id="ATVPDKIKX0DER",
        selling_partner_id="A1EXAMPLESELLER",
        sku_prefix="AMZ-",
        sync_orders=SyncOrders(**sync_orders),
    )


def shipment(*items: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """The data of a shipment message that its model accepts; a field that is None is left out."""
    data = {
        "connection": "US",
        "fulfillment_request_number": "FR-1",
        "amazon_order_id": ORDER_ID,
        "shipped_at": "2026-08-05T10:15:00Z",
        "carrier": "UPS",
        "method": "Ground",
        "tracking_number": "1Z9999990399999999",
        "items": list(items) if items else [{"amazon_order_item_id": "10000000000001", "quantity": 2}],
        **given,
    }
    data = {name: value for name, value in data.items() if value is not None}
    ShipmentData.model_validate(data)
    return data


def made(data: Mapping[str, Any], **sync_orders: Any) -> Made:
    """What a connection makes of the message."""
    key = shipment_key(data["fulfillment_request_number"], data.get("tracking_number"))
    return settings(**sync_orders).shipment_template.make(data, key, NOW)


def component(sku: str, quantity: int = 1, make_up: Mapping[str, int] | None = None, *, of: str = BUNDLE) -> dict[str, Any]:
    components = [{"sku": name, "quantity": pieces} for name, pieces in (make_up or {"A": 1, "B": 1}).items()]
    return {"sku": sku, "quantity": quantity, "bundle": {"amazon_order_item_id": of, "components": components}}


def new_order() -> Key:
    return Key(None, {}, {})


def arrival(number: int, data: Mapping[str, Any], *, sequence: int | None = None, source: str = "wms") -> Arrival:
    """The staged message *number*."""
    facets, shipment_ = made(data)
    assert not facets.faults
    assert shipment_ is not None
    return Arrival(
        message=number,
        source=source,
        type="feedline.shipment.v1",
        version=version(sequence, NOW),
        published=0.0,
        facets=facets.values,
        warnings=facets.warnings,
        topic=facets.topic,
        nothing=facets.nothing,
    )
