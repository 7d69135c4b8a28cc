"""Targets: what a template may fill, and which target may be filled in which way.

The tables are data: a new target, or a new template, is a row here. Requirement rows R33-R44, R53-R55, R72-R75, R80-R84.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, LiteralString, NamedTuple, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    Strict,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError


class Way(StrEnum):
    """How a target gets its value. Rules may stand beside any way, at every target."""

    DONT_MAP = "dont_map"
    SET_TO_EMPTY = "set_to_empty"
    FIELD = "field"
    VALUE = "value"
    MAPPING_SET = "mapping_set"
    OPTION = "option"


class Option(NamedTuple):
    """One entry of a target's fixed list. It stands for a message's *field*, or for a *value* of its own."""

    name: str
    field: str | None = None
    value: int | None = None


class Target(NamedTuple):
    """One row of a table: the ways that these targets allow, and their fixed list."""

    names: tuple[str, ...]
    ways: frozenset[Way]
    options: tuple[Option, ...] = ()


class TemplateKind(StrEnum):
    """The templates of a connection."""

    PUBLISH = "publish"
    SYNC = "sync"
    ORDERS = "orders"
    SHIPMENTS = "shipments"


_SAID: Final = frozenset({Way.FIELD, Way.VALUE})
_LOOKED_UP: Final = _SAID | {Way.MAPPING_SET}
_LEFT_OUT: Final = frozenset({Way.DONT_MAP, Way.SET_TO_EMPTY})

PRODUCT_ID_OPTIONS: Final = (
    Option("ASIN", field="asin"),
    Option("ISBN", field="isbn"),
    Option("UPC", field="upc"),
    Option("EAN", field="ean"),
)
QUANTITY_OPTIONS: Final = (Option("3-5 Business Days", value=5), Option("4-14 Business Days", value=14))
"""Amazon's shipping speeds: they say the handling time, in days, and leave the quantity unmapped."""

TARGETS: Final[Mapping[TemplateKind, tuple[Target, ...]]] = {
    TemplateKind.PUBLISH: (
        # Don't Map means the message's own SKU. Set To Empty is refused when a message is rendered: SKU_REQUIRED.
        Target(("sku",), _LEFT_OUT | _LOOKED_UP),
        Target(("title",), _LOOKED_UP),
        Target(("product_id",), _LEFT_OUT | {Way.FIELD, Way.OPTION}, PRODUCT_ID_OPTIONS),
        Target(("quantity",), _LEFT_OUT | {Way.FIELD, Way.OPTION}, QUANTITY_OPTIONS),
        Target(("item_condition",), _LEFT_OUT | _LOOKED_UP),
    ),
    TemplateKind.SYNC: (
        Target(("price",), _LEFT_OUT | _SAID),
        Target(("quantity",), _SAID),
        Target(("handling_time",), _LEFT_OUT | _SAID),
    ),
    TemplateKind.ORDERS: (
        Target(("reference_number",), _SAID),
        Target(("ordered_on",), _LOOKED_UP),
        Target(("invoice.total",), _LEFT_OUT | _SAID),
        Target(
            ("shipping_address.address_line_1", "shipping_address.city", "billing_address.address_line_1", "billing_address.city"),
            _LEFT_OUT | _LOOKED_UP,
        ),
    ),
    TemplateKind.SHIPMENTS: (
        Target(("carrier", "method"), _LOOKED_UP),
        Target(("tracking_number",), frozenset({Way.FIELD})),
    ),
}

ANY_OTHER: Final = Target((), _LEFT_OUT | _LOOKED_UP)

RESERVED: Final[Mapping[TemplateKind, Mapping[str, str]]] = {
    TemplateKind.PUBLISH: {"purchasable_offer": "price", "fulfillment_availability": "quantity"},
    TemplateKind.SYNC: {"purchasable_offer": "price", "fulfillment_availability": "quantity"},
    TemplateKind.ORDERS: {},
    TemplateKind.SHIPMENTS: {},
}
"""Amazon's attributes that other targets make: mapped directly, two targets would write one attribute."""

_WORDS: Final = frozenset({"listing", "currency", "operation", "connection"})
NO_ATTRIBUTES: Final[Mapping[TemplateKind, frozenset[str]]] = {
    TemplateKind.PUBLISH: _WORDS,
    TemplateKind.SYNC: _WORDS | {"sku", "title", "description", "product_id", "product_type", "item_condition"},
}
"""Words of messages, and of the other templates. Beside their own targets these templates have Amazon's attributes, and these are none."""

ALSO_NAMED: Final[Mapping[TemplateKind, Mapping[str, str]]] = {
    TemplateKind.PUBLISH: {
        "item_name": "title",
        "product_description": "description",
        "condition_type": "item_condition",
        "merchant_suggested_asin": "product_id",
        "externally_assigned_product_identifier": "product_id",
    },
}
"""Amazon's names of what a target makes: either may be mapped, but not both."""

_ROWS: Final = {kind: {name: row for row in rows for name in row.names} for kind, rows in TARGETS.items()}


def target(kind: TemplateKind, name: str) -> Target:
    """Return the row of the target *name*; what no row names takes every way but an option."""
    return _ROWS[kind].get(name, ANY_OTHER)


def names(kind: TemplateKind) -> frozenset[str]:
    """Return the targets of *kind* that have a row of their own."""
    return frozenset(_ROWS[kind])


def required(kind: TemplateKind) -> tuple[str, ...]:
    """Return the targets that a template of *kind* must not leave out, for they must not be `dont_map`."""
    return tuple(name for name, row in _ROWS[kind].items() if Way.DONT_MAP not in row.ways)


def twice(kind: TemplateKind, template: Mapping[str, "Spec"]) -> list[tuple[str, str]]:
    """Return each of Amazon's names in *template* whose attribute another of its targets makes, with that target."""
    mapped = {name for name, spec in template.items() if spec.way is not Way.DONT_MAP or spec.rules}
    return [(name, other) for name, other in ALSO_NAMED.get(kind, {}).items() if name in mapped and other in mapped]


def refusal(code: LiteralString, **words: object) -> PydanticCustomError:
    """Return the validation error that is the catalogue's fault *code* with *words* filled in."""
    return PydanticCustomError(code, code, {word: str(given) for word, given in words.items()})


T = TypeVar("T")

Many = Annotated[tuple[T, ...], Strict(strict=False)]
"""A list in the file, a tuple inside."""


def _not_empty(entries: tuple[T, ...]) -> tuple[T, ...]:
    if not entries:
        raise refusal("SETTING_INVALID", reason="it must have at least one entry.")
    return entries


def _number(given: object) -> object:
    if type(given) not in {int, Decimal}:
        raise refusal("SETTING_INVALID", reason="it must be a number.")
    return given


def _scalar(given: object) -> object:
    if type(given) not in {str, int, bool, Decimal}:
        raise refusal("SETTING_INVALID", reason="it must be a text, a number, true or false.")
    return given


# After the entries: where one of them is wrong, the list is not empty for that.
Some = Annotated[tuple[T, ...], Strict(strict=False), AfterValidator(_not_empty), Field(json_schema_extra={"minItems": 1})]

Number = Annotated[int | Decimal, BeforeValidator(_number), WithJsonSchema({"type": "number"})]
Scalar = Annotated[str | int | bool | Decimal, BeforeValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})]

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Frozen(BaseModel):
    """A part of the connection file: unknown keys and wrong types are faults, and no fault repeats a value."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Spec(Frozen):
    """How one target is filled: one way, and the rules that may replace its result.

    `field` goes with `mapping_set` (the field that is looked up) and with `option` (in place of the option's own field).
    """

    dont_map: Literal[True] | None = None
    set_to_empty: Literal[True] | None = None
    field: Name | None = None
    value: Any = None
    mapping_set: Name | None = None
    option: Name | None = None
    rules: Many[Name] = ()

    @property
    def way(self) -> Way:
        for way in (Way.OPTION, Way.MAPPING_SET, Way.VALUE, Way.FIELD, Way.SET_TO_EMPTY):
            if getattr(self, way) is not None:
                return way
        return Way.DONT_MAP

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, given: object) -> object:
        if isinstance(given, str):
            if given not in {Way.DONT_MAP, Way.SET_TO_EMPTY}:
                raise refusal("SPEC_INVALID", reason="it is a bare text")
            return {given: True}
        return given

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if "value" in self.model_fields_set and self.value is None:
            raise refusal("SPEC_INVALID", reason="its value is empty, which is written set_to_empty")
        given = [way for way in Way if getattr(self, way) is not None]
        beside = {Way.FIELD} if self.way is Way.MAPPING_SET else {Way.FIELD, Way.VALUE} if self.way is Way.OPTION else set()
        others = [way for way in given if way is not self.way]
        if len(others) > 1 or any(way not in beside for way in others):
            raise refusal("SPEC_INVALID", reason=f"it names {' and '.join(given)} at once")
        if self.way is Way.MAPPING_SET and self.field is None:
            raise refusal("SPEC_INVALID", reason="a mapping_set needs the field that is looked up")
        if not given and not self.rules:
            raise refusal("SPEC_INVALID", reason="it names no way")
        return self

    @model_serializer(mode="wrap")
    def _briefly(self, dump: SerializerFunctionWrapHandler) -> object:
        said = {key: value for key, value in dump(self).items() if value is not None and value != ()}
        return next(iter(said)) if len(said) == 1 and said.keys() <= {Way.DONT_MAP, Way.SET_TO_EMPTY} else said

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        whole = handler(schema)
        return {"anyOf": [{"enum": [Way.DONT_MAP.value, Way.SET_TO_EMPTY.value]}, whole]} if cls is Spec else whole


def check(kind: TemplateKind, name: str, spec: Spec) -> None:
    """Refuse a way that the target does not allow. Raises: PydanticCustomError."""
    row = target(kind, name)
    if name in RESERVED[kind]:
        raise refusal("TARGET_RESERVED", value=name, limit=RESERVED[kind][name])
    if kind in NO_ATTRIBUTES and (name in NO_ATTRIBUTES[kind] or "." in name):
        raise refusal("TARGET_NO_ATTRIBUTE", value=name)
    if spec.way not in row.ways:
        raise refusal("OPTION_REFUSED", target=name, value=spec.way, limit=", ".join([way for way in Way if way in row.ways] + ["rules"]))
    if spec.way is Way.OPTION and spec.option not in {option.name for option in row.options}:
        raise refusal("OPTION_UNKNOWN", target=name, value=spec.option, limit=", ".join(option.name for option in row.options))
