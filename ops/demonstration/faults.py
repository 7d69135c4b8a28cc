"""The kinds of invalid messages in the demo: how each is spoilt, and what Feedline must say of it."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

Data = Mapping[str, Any]
Event = dict[str, Any]


def _as_it_is(thing: Any) -> Any:  # noqa: ANN401  # whatever it is
    return thing


class Fault(NamedTuple):
    """*spoil* changes the data, *spoil_event* the CloudEvent, *spoil_body* the bytes. *code*: what Feedline calls it.

    A fault of event or body asks for structured mode. Without *has_identity* no message can be known by it: such a delivery is
    kept with its original bytes, and no more.
    """

    code: str
    spoil: Callable[[Data], Data] = _as_it_is
    spoil_event: Callable[[Event], Event] = _as_it_is
    spoil_body: Callable[[bytes], bytes] = _as_it_is
    has_identity: bool = True

    @property
    def is_of_the_data(self) -> bool:
        return self.spoil is not _as_it_is


def _with(**changed: object) -> Callable[[Data], Data]:
    return lambda data: {**data, **changed}


def _without(name: str) -> Callable[[Data], Data]:
    return lambda data: {key: value for key, value in data.items() if key != name}


FAULTS: Final = (
    Fault("MONEY_INVALID", spoil=_with(price="1,99")),
    Fault("PRICE_NOT_POSITIVE", spoil=_with(price=Decimal("-5.00"))),
    Fault("PRICE_TOO_PRECISE", spoil=_with(price="19.999")),
    Fault("CURRENCY_MISMATCH", spoil=_with(price="19.99", currency="JPY")),
    Fault("QUANTITY_INVALID", spoil=_with(quantity=Decimal("2.5"))),
    Fault("HANDLING_TIME_INVALID", spoil=_with(handling_time=31)),
    Fault("FIELD_MISSING", spoil=_without("sku")),
    Fault("SKU_INVALID", spoil=_with(sku="X" * 41)),
    Fault("CONNECTION_UNKNOWN", spoil=_with(connection="Demo Atlantis")),
    Fault("TYPE_UNKNOWN", spoil_event=lambda event: {**event, "type": "feedline.inventory.v9"}),
    Fault(
        "ATTRIBUTE_MISSING", spoil_event=lambda event: {name: value for name, value in event.items() if name != "id"}, has_identity=False
    ),
    Fault("DUPLICATE_KEY", spoil_body=lambda body: body.replace(b'"quantity":', b'"quantity":7,"quantity":', 1)),
    Fault("NOT_JSON", spoil_body=lambda body: body[: len(body) // 3], has_identity=False),
)
