"""What the sync_orders template makes of a shipment message: carrier, method and tracking number, before any decision.

Requirement rows R82-R84. Compiled once for a connection's revision.
"""

from typing import TYPE_CHECKING, Final

import msgspec

from worker.core.issues import Issue, issue
from worker.core.json import JsonObject, JsonValue
from worker.core.mapping import Found, resolver
from worker.core.rules import text
from worker.core.targets import TemplateKind
from worker.core.texts import unwanted_character

if TYPE_CHECKING:
    from worker.core.connections import ConnectionSettings

TARGETS: Final = ("carrier", "method", "tracking_number")


class MappedShipment(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The three texts as the template has them, "" where the message does not say one; or the faults of the message."""

    carrier: str = ""
    method: str = ""
    tracking_number: str = ""
    faults: tuple[Issue, ...] = ()


class ShipmentMapping:
    """The sync_orders template of one revision, compiled."""

    def __init__(self, settings: "ConnectionSettings") -> None:
        template = settings.sync_orders.template
        self._resolvers = tuple(
            resolver(TemplateKind.SHIPMENTS, name, template[name], rules=settings.rules, mapping_sets=settings.mapping_sets)
            for name in TARGETS
        )

    def mapped(self, data: JsonObject) -> MappedShipment:
        """Return what the template makes of *data*, a shipment message's."""
        texts: list[str] = []
        faults: list[Issue] = []
        for resolve in self._resolvers:
            result = resolve(data)
            said = ""
            if isinstance(result, Found):
                said = result.value
                if type(said) is not str or not said.isprintable():
                    fault = _fault(said)
                    if fault is not None:
                        faults.append(issue("FIELD_INVALID", field=result.field, value=said, reason=fault))
                    said = text(said)
            elif isinstance(result, Issue):
                faults.append(result)
            texts.append(said)
        if faults:
            return MappedShipment(faults=tuple(faults))
        carrier, method, tracking_number = texts
        return MappedShipment(carrier, method, tracking_number)


def _fault(value: JsonValue) -> str | None:
    """Return why *value* is no text for Amazon. A number is one: tracking numbers are sent as JSON numbers, too."""
    if isinstance(value, bool | list | dict):
        return "it is neither a text nor a number."
    character = unwanted_character(text(value))
    return None if character is None else f"it holds the control character {character}."
