"""What the sync_orders template makes of a shipment message."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from worker.core.connections import ConnectionSettings
from worker.core.json import JsonObject
from worker.core.shipment_mapping import MappedShipment, ShipmentMapping

DEFAULT: Mapping[str, Any] = {
    "carrier": {"field": "carrier"},
    "tracking_number": {"field": "tracking_number"},
    "method": {"field": "method"},
}


def mapped(data: JsonObject, *, template: Mapping[str, Any] | None = None, **further: Any) -> MappedShipment:
    settings = ConnectionSettings.model_validate(
        {
            "name": "US",
            "marketplace_id": "ATVPDKIKX0DER",
            "selling_partner_id": "A1",
            "sync_orders": {"template": {**DEFAULT, **(template or {})}},
            **further,
        }
    )
    return ShipmentMapping(settings).mapped(data)


@pytest.mark.requirement("R82", "R83", "R84")
def test_carrier_method_and_number_come_from_their_fields_unless_the_template_says_otherwise() -> None:
    data = {"carrier": "UPS", "method": "Ground", "tracking_number": "1Z", "label": "9400"}

    assert mapped(data) == MappedShipment("UPS", "Ground", "1Z")
    assert mapped(data, template={"carrier": {"value": "USPS"}, "tracking_number": {"field": "label"}}) == MappedShipment(
        "USPS", "Ground", "9400"
    )


def test_what_a_message_does_not_say_is_empty() -> None:
    assert mapped({"carrier": None}) == MappedShipment("", "", "")


def test_a_mapping_set_is_exact_and_its_near_miss_is_named() -> None:
    template = {"carrier": {"mapping_set": "carriers", "field": "carrier"}}
    sets = {"carriers": {"GLS": "GLS US"}}

    assert mapped({"carrier": "GLS"}, template=template, mapping_sets=sets).carrier == "GLS US"
    (fault,) = mapped({"carrier": "gls"}, template=template, mapping_sets=sets).faults
    assert fault.code == "MAPPING_KEY_UNKNOWN"
    assert "'GLS'" in fault.message


def test_a_number_is_taken_as_it_is_spelt_and_what_is_no_text_is_refused_with_every_fault() -> None:
    assert mapped({"tracking_number": 12345678901}).tracking_number == "12345678901"
    assert mapped({"method": Decimal("1.50")}).method == "1.50"
    faults = mapped({"carrier": {"name": "UPS"}, "method": True, "tracking_number": "1Z\x07"}).faults
    assert [(fault.code, fault.field) for fault in faults] == [
        ("FIELD_INVALID", "carrier"),
        ("FIELD_INVALID", "method"),
        ("FIELD_INVALID", "tracking_number"),
    ]
