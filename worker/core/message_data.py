"""What an upstream's message says: the `data` of the three message types, as models that also write the JSON Schemas.

Shipments are validated by their model. For inventory and listings the template of the connection decides which fields
mean something, so the door checks only what no template changes, and the models describe the fields that templates use
unless they are told otherwise.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from worker.core.texts import unwanted_character

MOST_SKU_CHARACTERS: Final = 40
"""Amazon's limit of a SKU."""

MOST_NAME_CHARACTERS: Final = 255
"""Characters of a connection's name."""

MOST_SHIPMENT_CHARACTERS: Final = 50
"""Amazon's limit of texts in an order fulfillment (xsd:normalizedString, maxLength 50)."""

LARGEST_QUANTITY: Final = 2_147_483_647
"""Pieces in one number: Amazon counts with 32 bits."""

_INSTANT: Final = Annotated[datetime, msgspec.Meta(tz=True)]


def instant(text: object) -> datetime:
    """Return the UTC time that *text* says in RFC 3339. Raises ValueError for anything else, and without an offset."""
    try:
        moment: datetime = msgspec.convert(text, _INSTANT)
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        raise ValueError("it must be text in RFC 3339 with an offset, as 2026-01-31T12:00:00Z.") from None


def _instant(value: object) -> datetime:
    try:
        return instant(value)
    except ValueError as error:
        raise PydanticCustomError("instant", "{reason}", {"reason": str(error)}) from None


def _clean(text: str) -> str:
    character = unwanted_character(text)
    if character:
        raise PydanticCustomError("unwanted_character", "it holds the control character {character}.", {"character": character})
    return text


Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Sku = Annotated[str, Field(min_length=1, max_length=MOST_SKU_CHARACTERS), AfterValidator(_clean)]
ShortText = Annotated[str, Field(max_length=MOST_SHIPMENT_CHARACTERS), AfterValidator(_clean)]
RequiredShortText = Annotated[str, Field(min_length=1, max_length=MOST_SHIPMENT_CHARACTERS), AfterValidator(_clean)]
Connection = Annotated[
    str,
    AfterValidator(_clean),
    Field(min_length=1, max_length=MOST_NAME_CHARACTERS, description="the name of the connection", examples=["My Amazon US Link"]),
]
Money = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9]{1,13}(\.[0-9]{1,6})?$"},
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "null"},
            ]
        }
    ),
]
Count = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]{1,9}$"}, {"type": "null"}]})]
Days = Annotated[
    Any,
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 30}, {"type": "string", "pattern": "^[0-9]{1,2}$"}, {"type": "null"}]}
    ),
]


class _Data(BaseModel):
    # Further fields are for templates, which read the message itself.
    model_config = ConfigDict(
        extra="ignore", json_schema_extra={"additionalProperties": True}, strict=True, frozen=True, hide_input_in_errors=True
    )


class InventoryData(_Data):
    """New values for one SKU. A field that is missing or null leaves its part as it is; templates may map further fields."""

    connection: Connection
    sku: Sku = Field(description="the upstream's SKU, without the connection's prefix", examples=["BK-10023-BLUE"])
    price: Money = Field(None, description="the amount in the marketplace's currency, a decimal text or a number", examples=["19.99"])
    currency: str | None = Field(None, description="ISO 4217; when given it must be the marketplace's", examples=["USD"])
    quantity: Count = Field(None, description="pieces that can be sold; below zero goes as 0", examples=[12])
    handling_time: Days = Field(None, description="days until the parcel leaves, 0 to 30", examples=[2])


class ListingData(_Data):
    """One listing, or its removal. Templates may map further fields."""

    connection: Connection
    sku: Sku = Field(description="the upstream's SKU, without the connection's prefix", examples=["BK-10023-BLUE"])
    operation: Literal["delete"] | None = Field(None, description="delete: the listing is removed")
    title: str | None = Field(None, examples=["Stainless bottle, blue, 750 ml"])
    description: str | None = None
    asin: str | None = Field(None, examples=["B0EXAMPLE1"])
    upc: str | None = None
    ean: str | None = None
    isbn: str | None = None
    condition: str | None = Field(None, description="the upstream's word, which a mapping set turns into Amazon's", examples=["New"])
    price: Money = Field(None, description="the amount in the marketplace's currency, a decimal text or a number", examples=["19.99"])
    currency: str | None = Field(None, description="ISO 4217; when given it must be the marketplace's", examples=["USD"])
    quantity: Count = Field(None, description="pieces that can be sold; below zero goes as 0", examples=[12])
    product_type: str | None = Field(None, description="Amazon's product type", examples=["BOTTLE"])


class Component(_Data):
    """One kind of piece in a bundle line."""

    sku: Sku
    quantity: int = Field(ge=1, le=LARGEST_QUANTITY, description="pieces of it in the whole line")


class Bundle(_Data):
    """The order item that several components make up; `components` is the whole of it."""

    amazon_order_item_id: RequiredShortText
    components: list[Component] = Field(min_length=1)


class ShippedItem(_Data):
    """A line of the parcel: an order item by Amazon's id or by its SKU, or a component of a bundle by its SKU."""

    amazon_order_item_id: RequiredShortText | None = None
    sku: Sku | None = None
    quantity: int = Field(ge=1, le=LARGEST_QUANTITY)
    bundle: Bundle | None = None

    @model_validator(mode="after")
    def _names_what_was_shipped(self) -> Self:
        if self.bundle is not None:
            if self.sku not in {component.sku for component in self.bundle.components}:
                raise PydanticCustomError("component", "the SKU of a bundle's item must be one of the bundle's components.")
        elif self.amazon_order_item_id is None and self.sku is None:
            raise PydanticCustomError("item", "amazon_order_item_id or sku must be given.")
        return self


class ShipmentData(_Data):
    """One parcel of one order. A message with the same request and tracking number corrects the one before."""

    connection: Connection
    fulfillment_request_number: RequiredShortText = Field(examples=["FR-20417"])
    amazon_order_id: str = Field(pattern=r"^[0-9]{3}-[0-9]{7}-[0-9]{7}$", examples=["902-3159896-1390916"])
    shipped_at: Instant = Field(description="when it left, with an offset", examples=["2026-01-31T12:00:00Z"])
    carrier: ShortText | None = Field(None, examples=["UPS"])
    method: ShortText | None = Field(None, examples=["Ground"])
    tracking_number: ShortText | None = Field(None, description="missing: an untracked parcel", examples=["1Z999AA10123456784"])
    items: list[ShippedItem] = Field(description="none: nothing is sent")
