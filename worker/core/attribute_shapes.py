"""The shapes of Amazon's attributes: what stands around a value so that Amazon understands it.

Source: Amazon's product type definitions. An attribute is a list of instances, told apart by selectors: the marketplace,
for texts that a person reads the language, for an amount of money the currency. A value that has more parts than that
(a weight with its unit) comes as objects from the message, which get those selectors that they do not name themselves.
"""

from decimal import Decimal
from typing import Any, Final, NamedTuple

from worker.core.facet_values import money_text
from worker.core.json import JsonValue

LANGUAGE_ATTRIBUTES: Final = frozenset(
    {
        "age_range_description", "assembly_instructions", "brand", "bullet_point", "care_instructions", "color", "condition_note",
        "configuration", "customer_package_type", "department", "edition", "fabric_type", "flavor", "generic_keyword",
        "included_components", "item_name", "item_shape", "item_type_name", "league_name", "manufacturer", "material", "model_name",
        "pattern", "product_description", "safety_data_sheet_url", "set_name", "size", "special_feature", "special_size_type", "style",
        "subject_character", "target_audience", "team_name", "theme", "warranty_description",
    }
)  # fmt: skip
"""Attributes that tell their instances apart by marketplace and language."""

MONEY_ATTRIBUTES: Final = frozenset({"list_price"})
"""Attributes that tell their instances apart by marketplace and currency."""

_IMAGES: Final = "_image_locator"


class Selectors(NamedTuple):
    """What the instances of a connection's attributes name."""

    marketplace_id: str
    language_tag: str
    currency: str

    def of(self, name: str) -> dict[str, Any]:
        """Return the selectors of the attribute *name*."""
        if name in LANGUAGE_ATTRIBUTES:
            return {"marketplace_id": self.marketplace_id, "language_tag": self.language_tag}
        if name in MONEY_ATTRIBUTES:
            return {"marketplace_id": self.marketplace_id, "currency": self.currency}
        return {"marketplace_id": self.marketplace_id}


def instances(name: str, value: JsonValue, selectors: Selectors) -> list[Any]:
    """Return the instances of the attribute *name* for *value*: one, or one for each entry of a list."""
    selected = selectors.of(name)
    if type(value) is str and name not in MONEY_ATTRIBUTES:
        return [{**selected, _key(name): value}]
    entries = value if isinstance(value, list) else [value]
    return [{**selected, **(entry if isinstance(entry, dict) else {_key(name): _exact(name, entry)})} for entry in entries]


def emptied(name: str, selectors: Selectors) -> list[Any]:
    """Return the instances of the attribute *name* when it is set to empty: one whose value is an empty text.

    A list without instances is an error at Amazon (99022), and an attribute that is left out may stay as it is.
    """
    return [{**selectors.of(name), _key(name): ""}]


def _key(name: str) -> str:
    return "media_location" if _IMAGES in name else "value"


def _exact(name: str, value: JsonValue) -> JsonValue:
    amount = money_text(value) if name in MONEY_ATTRIBUTES else None
    return value if amount is None else Decimal(amount)
