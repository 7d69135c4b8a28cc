"""Which parts of an order are personal data: names, streets, cities, postal codes, phones, e-mails, and what a buyer wrote.

Source: Amazon's list of personally identifiable information in the Orders API, and ours on top: cities are personal, too.
"""

from collections.abc import Collection
from typing import Final

# What a field is read from is personal unless it stands here: what Amazon adds tomorrow is, until somebody has looked at it.
_ANYBODYS: Final = (
    *("orderId", "orderAliases", "createdTime", "lastUpdatedTime", "programs", "associatedOrders", "salesChannel"),
    *("proceeds", "expense", "promotion", "cancellation", "fulfillment", "fulfillmentOrders"),
    *("tax.taxInvoicing",),
    *(f"recipient.deliveryAddress.{name}" for name in ("countryCode", "stateOrRegion", "addressType")),
    *(f"orderItems.{name}" for name in ("orderItemId", "quantityOrdered", "measurement", "associatedOrderItems", "programs")),
    *(f"orderItems.{name}" for name in ("proceeds", "expense", "promotion", "cancellation", "tax")),
    *(f"orderItems.fulfillment.{name}" for name in ("quantityFulfilled", "quantityUnfulfilled", "picking", "shipping")),
    *(f"orderItems.product.{name}" for name in ("asin", "title", "sellerSku", "condition", "price", "serialNumbers")),
)
_ANYBODYS_IN_AN_ADDRESS: Final = frozenset({"country", "country_code", "state", "region", "state_or_region"})


def is_personal(target: str, fields: Collection[str]) -> bool:
    """Whether what a template puts into *target* is personal data. *fields*: all that have a say in it.

    All of an address is, wherever it comes from, but for its country and its state.
    """
    *within, last = target.split(".")
    of_an_address = any(part.endswith("address") for part in within) or (not within and last.endswith("address"))
    return (of_an_address and last not in _ANYBODYS_IN_AN_ADDRESS) or any(map(_is_personal_field, fields))


def _is_personal_field(field: str) -> bool:
    path = field.removeprefix("order.")
    return not any(path == known or path.startswith(f"{known}.") for known in _ANYBODYS)
