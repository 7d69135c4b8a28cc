"""A connection: one seller account on one marketplace, with its templates, rules and mapping sets. Holds no secret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, WrapValidator, field_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from worker.core import schedules
from worker.core.accounts import Seller
from worker.core.ids import ConnectionId
from worker.core.json import decode, encode
from worker.core.mapping import MappingSet
from worker.core.marketplaces import MARKETPLACES, Marketplace
from worker.core.message_data import MOST_SHIPMENT_CHARACTERS
from worker.core.orders import OrderTemplate
from worker.core.publishing import PublishTemplate
from worker.core.rules import Rule
from worker.core.shipments import ShipmentTemplate
from worker.core.sync import SyncTemplate
from worker.core.targets import Frozen, Many, Name, Some, Spec, TemplateKind, Way, check, refusal, required, twice
from worker.core.texts import unwanted_character

LONGEST_NAME: Final = 128
LONGEST_PREFIX: Final = 30
"""Characters of a SKU prefix: Amazon's SKUs have at most 40 with it."""

_TARGET_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*\Z")


def to_amazon(sku: str, prefix: str) -> str:
    """Return *sku* as Amazon knows it: with *prefix*, which is never added twice (R7, R8)."""
    return sku if sku.startswith(prefix) else prefix + sku


def from_amazon(sku: str, prefix: str) -> str:
    """Return Amazon's *sku* as the upstream knows it: without *prefix*, which is removed once (R7, R8).

    A SKU that does not begin with exactly the prefix, or is nothing else, stays as it is.
    """
    return sku.removeprefix(prefix) if sku != prefix else sku


def _schedule(every: str) -> str:
    reason = schedules.fault(every)
    if reason is not None:
        raise refusal("SCHEDULE_INVALID", reason=reason)
    return every


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise refusal("SETTING_INVALID", reason="it has control characters, or spaces at an end.")
    return text


def _writable(text: str) -> str:
    if character := unwanted_character(text):
        raise refusal("SETTING_INVALID", reason=f"it holds the control character {character}, which no feed can hold.")
    return text


def _known_marketplace(marketplace_id: str) -> str:
    if marketplace_id not in MARKETPLACES:
        raise refusal("MARKETPLACE_UNKNOWN", value=marketplace_id)
    return marketplace_id


def _sp_api(api: str) -> str:
    if api.casefold() == "mws":
        raise refusal("MWS_RETIRED", value=api)
    if api != "sp-api":
        raise refusal("SETTING_INVALID", reason="sp-api is the only one.")
    return api


def _unrepeated(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise refusal("SETTING_INVALID", reason="it names a field twice.")
    return values


def _checked(kind: TemplateKind, given: object) -> Mapping[str, Spec]:
    """Return a template whose every entry was checked against the table of *kind*.

    Raises: ValidationError with every fault, each at its entry; PydanticCustomError when there are no entries at all.
    """
    if not isinstance(given, Mapping):
        raise refusal("SETTING_INVALID", reason="a template is a map from targets to their mappings.")
    template: dict[str, Spec] = {}
    faults: list[InitErrorDetails] = []
    for name, entry in given.items():
        try:
            if not isinstance(name, str) or not _TARGET_NAME.match(name):
                raise refusal("SETTING_INVALID", reason="a target is named by letters, digits, _ and points.")
            template[name] = entry if isinstance(entry, Spec) else Spec.model_validate(entry)
            check(kind, name, template[name])
        except ValidationError as error:
            faults += [_again(fault, (name, *fault["loc"])) for fault in error.errors(include_url=False, include_input=False)]
        except PydanticCustomError as error:
            faults.append({"type": error, "loc": (name,), "input": None})
    faults += [
        {"type": refusal("TARGET_RESERVED", value=name, limit=other), "loc": (name,), "input": None}
        for name, other in twice(kind, template)
    ]
    faults += [{"type": refusal("TARGET_REQUIRED", target=name), "loc": (), "input": None} for name in required(kind) if name not in given]
    if faults:
        raise ValidationError.from_exception_data("template", faults, hide_input=True)
    return template


def _again(fault: ErrorDetails, place: tuple[int | str, ...]) -> InitErrorDetails:
    return {
        "type": PydanticCustomError(fault["type"], fault["msg"], fault.get("ctx")),
        "loc": place,
        "input": None,
    }


def _specs(template: Mapping[str, Any]) -> Mapping[str, Spec]:
    return {name: Spec.model_validate(entry) for name, entry in template.items()}


Schedule = Annotated[str, AfterValidator(_schedule)]
"""An interval as 30s, 15m, 24h or 7d, or a cron expression of five fields."""

PublishTemplateEntries = Annotated[Mapping[str, Spec], WrapValidator(lambda given, _: _checked(TemplateKind.PUBLISH, given))]
SyncTemplateEntries = Annotated[Mapping[str, Spec], WrapValidator(lambda given, _: _checked(TemplateKind.SYNC, given))]
OrdersTemplate = Annotated[Mapping[str, Spec], WrapValidator(lambda given, _: _checked(TemplateKind.ORDERS, given))]
ShipmentsTemplate = Annotated[Mapping[str, Spec], WrapValidator(lambda given, _: _checked(TemplateKind.SHIPMENTS, given))]

DEFAULT_PUBLISH_TEMPLATE: Final = _specs(
    {
        "sku": {"field": "sku"},
        "title": {"field": "title"},
        "product_id": {"option": "ASIN", "rules": ["If no ASIN use UPC"]},
        "quantity": {"field": "quantity"},
        "item_condition": {"mapping_set": "conditions", "field": "condition"},
        "price": {"field": "price"},
    }
)
DEFAULT_SYNC_TEMPLATE: Final = _specs({"price": {"field": "price"}, "quantity": {"field": "quantity"}, "handling_time": "dont_map"})
DEFAULT_ORDERS_TEMPLATE: Final = _specs(
    {
        "reference_number": {"field": "order.orderId"},
        "ordered_on": {"field": "order.createdTime"},
        "shipping_address.address_line_1": {"field": "order.recipient.deliveryAddress.addressLine1"},
        "shipping_address.city": {"field": "order.recipient.deliveryAddress.city"},
        "invoice.total": {"field": "order.proceeds.grandTotal.amount"},
    }
)
DEFAULT_SHIPMENTS_TEMPLATE: Final = _specs(
    {"carrier": {"field": "carrier"}, "tracking_number": {"field": "tracking_number"}, "method": {"field": "method"}}
)


class ImportListings(Frozen):
    every: Schedule | None = None
    feed_type: Literal["GET_MERCHANT_LISTINGS_ALL_DATA"] = "GET_MERCHANT_LISTINGS_ALL_DATA"
    save: Annotated[Some[Literal["SKU", "Title"]], AfterValidator(_unrepeated)] = ("SKU", "Title")


class PublishListings(Frozen):
    requirements: Literal["LISTING_OFFER_ONLY", "LISTING"] = "LISTING_OFFER_ONLY"
    operation: Literal["UPDATE", "PARTIAL_UPDATE"] = "UPDATE"
    fulfillment_center_id: Spec | None = None
    template: PublishTemplateEntries = Field(default=DEFAULT_PUBLISH_TEMPLATE)

    @field_validator("fulfillment_center_id")
    @classmethod
    def _said(cls, spec: Spec | None) -> Spec | None:
        if spec is not None and (spec.way not in {Way.FIELD, Way.VALUE} or spec.rules):
            raise refusal("OPTION_REFUSED", target="fulfillment_center_id", value="rules" if spec.rules else spec.way, limit="field, value")
        return spec


class SyncListings(Frozen):
    hide_out_of_stock: bool = False
    patch_op: Literal["merge", "replace"] = "merge"
    allow_offer_delete: bool = False
    template: SyncTemplateEntries = Field(default=DEFAULT_SYNC_TEMPLATE)


class GetOrders(Frozen):
    every: Schedule | None = "15m"
    event_personal_data: bool = False
    template: OrdersTemplate = Field(default=DEFAULT_ORDERS_TEMPLATE)


class Normalization(Frozen):
    """A mapped carrier or service of exactly the text `from` is replaced by `to` (R95, R96)."""

    model_config = ConfigDict(validate_by_name=True)

    target: Literal["carrier", "service"]
    from_: Annotated[str, Field(alias="from", min_length=1)]
    to: Annotated[str, Field(max_length=MOST_SHIPMENT_CHARACTERS), AfterValidator(_writable)]


class SyncOrders(Frozen):
    auto_detect_carrier: bool = True
    carrier_profile: Literal["flxpoint", "extended"] = "flxpoint"
    non_managed: Literal["submit", "hold"] = "submit"
    bundle_tracking: Literal["last", "first"] = "last"
    template: ShipmentsTemplate = Field(default=DEFAULT_SHIPMENTS_TEMPLATE)
    normalize: Many[Normalization] = ()


class ConnectionEntry(Frozen):
    """A connection's entry in the file, without what is secret or not its own."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(_printable)]
    marketplace_id: Annotated[str, AfterValidator(_known_marketplace), Field(json_schema_extra={"enum": list(MARKETPLACES)})]
    selling_partner_id: Annotated[str, Field(pattern=r"^[!-~]{1,64}$", description="merchant token, as Seller Central shows it")]
    api: Annotated[str, AfterValidator(_sp_api), Field(json_schema_extra={"enum": ["sp-api"]})] = "sp-api"
    sku_prefix: Annotated[str, Field(max_length=LONGEST_PREFIX), AfterValidator(_printable)] = ""
    fulfillment_channel: Literal["DEFAULT", "AMAZON_NA", "AMAZON_EU", "AMAZON_JP"] = "DEFAULT"
    fba_quantity: Literal["send", "omit"] = "send"
    fba_guard: bool = True
    language_tag: Annotated[str, Field(pattern=r"^[a-z]{2}_[A-Z]{2}$")] | None = None
    timezone: Name = "UTC"
    import_listings: ImportListings = ImportListings()
    publish_listings: PublishListings = PublishListings()
    sync_listings: SyncListings = SyncListings()
    get_orders: GetOrders = GetOrders()
    sync_orders: SyncOrders = SyncOrders()


class ConnectionSettings(ConnectionEntry):
    """A connection's entry, completed by the rules and mapping sets that it uses: what `connection.settings` holds."""

    rules: Mapping[str, Rule] = Field(default_factory=dict)
    mapping_sets: Mapping[str, MappingSet] = Field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote. Raises: ValidationError, DecodeError."""
        return cls.model_validate(decode(text))

    def to_json(self) -> bytes:
        """Return canonical JSON with exact numbers: equal settings give equal bytes."""
        return encode(self.model_dump(by_alias=True), canonical=True)

    @cached_property
    def order_template(self) -> OrderTemplate:
        return OrderTemplate(self, partial(from_amazon, prefix=self.sku_prefix))

    @cached_property
    def publish_template(self) -> PublishTemplate:
        return PublishTemplate(self)

    @cached_property
    def shipment_template(self) -> ShipmentTemplate:
        return ShipmentTemplate(self, partial(from_amazon, prefix=self.sku_prefix))

    @cached_property
    def sync_template(self) -> SyncTemplate:
        return SyncTemplate(self)


@dataclass(frozen=True)
class Connection:
    """A connection as the steps use it. `revision` grows with every change of the settings."""

    id: ConnectionId
    name: str
    paused: bool
    revision: int
    seller: Seller
    marketplace: Marketplace
    settings: ConnectionSettings

    @property
    def language_tag(self) -> str:
        return self.settings.language_tag or self.marketplace.language_tag
