"""From what a template found to a facet's value: money, pieces and days, exact or refused, the same for every message type.

Requirement rows R52-R60, R65.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from worker.core.facets import HANDLING_TIME, PRICE, QUANTITY, Value
from worker.core.issues import Issue, issue
from worker.core.json import JsonObject, JsonValue
from worker.core.mapping import Found
from worker.core.marketplaces import Marketplace
from worker.core.message_data import LARGEST_QUANTITY
from worker.core.rules import number

LONGEST_HANDLING_TIME_DAYS: Final = 30
"""Amazon refuses more, with a message that speaks of something else (R60)."""

MONEY_DIGITS: Final = 15
"""Most digits of an amount before its point, and after it."""

_MONEY: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?\Z")

Make = Callable[[Found | None, JsonObject, Marketplace, list[Issue]], Value | None]
"""Turns what was found (None: set to empty) into a facet, or adds to the problems and returns None."""


def price(
    found: Found | None, data: JsonObject, marketplace: Marketplace, problems: list[Issue], *, allow_offer_delete: bool
) -> Value | None:
    if found is None or _is_blank_text(found.value):
        if allow_offer_delete:
            return Value(cleared=True)
        problems.append(issue("PRICE_REQUIRED", field=PRICE if found is None else found.field))
        return None
    before = len(problems)
    currency = data.get("currency")
    if currency is not None and currency != marketplace.currency:
        problems.append(issue("CURRENCY_MISMATCH", field="currency", value=currency, limit=marketplace.currency))
    text = money_text(found.value)
    if text is None:
        problems.append(issue("MONEY_INVALID", field=found.field, value=found.value, reason=why_not_money(found.value)))
        return None
    if text[0] == "-" or not text.strip("0."):
        problems.append(issue("PRICE_NOT_POSITIVE", field=found.field, value=text))
    if len(text.partition(".")[2]) > marketplace.decimals:
        problems.append(issue("PRICE_TOO_PRECISE", field=found.field, value=text, limit=marketplace.decimals, reason=marketplace.currency))
    return Value(text) if len(problems) == before else None


def money_text(value: JsonValue) -> str | None:
    """Return the digits of an amount exactly as they were given, or None where *value* is no amount.

    A text must spell a JSON number without exponent: `1,99`, " 19.99", "1_000", "+1", "1e5", "007" and "NaN" are none.
    A JSON number may have an exponent and is written out: 1E+2 is "100".
    """
    if type(value) is Decimal:
        # Looked at before it is written out: 1E+999999 is five bytes on the wire and a million here.
        if not value.is_finite() or not -MONEY_DIGITS <= value.adjusted() < MONEY_DIGITS:
            return "0" if value.is_finite() and not value else None
        text = format(value, "f")
    elif type(value) is str:
        text = value
    elif type(value) is int:
        text = str(value)
    else:
        return None
    return text if _MONEY.match(text) else None


def why_not_money(value: JsonValue) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return "it is neither a text nor a number."
    if isinstance(value, str):
        return f"it is not plain digits with at most one point, {MONEY_DIGITS} digits on either side."
    return f"it has more than {MONEY_DIGITS} digits before or after its point."


def quantity(found: Found | None, _data: JsonObject, _marketplace: Marketplace, problems: list[Issue]) -> Value | None:
    if found is None:
        problems.append(issue("QUANTITY_INVALID", field=QUANTITY, value="", reason="the template empties it."))
        return None
    pieces = found.value if type(found.value) is int else _whole(found.value)
    if pieces is None:
        problems.append(issue("QUANTITY_INVALID", field=found.field, value=found.value, reason=_why_not_whole(found.value)))
        return None
    if pieces < 0:
        problems.append(issue("QUANTITY_NEGATIVE", field=found.field, value=pieces))
        return Value(0)
    if pieces > LARGEST_QUANTITY:
        problems.append(issue("QUANTITY_INVALID", field=found.field, value=pieces, reason=f"the most is {LARGEST_QUANTITY}."))
        return None
    return Value(pieces)


def handling_time(found: Found | None, _data: JsonObject, _marketplace: Marketplace, problems: list[Issue]) -> Value | None:
    if found is None or _is_blank_text(found.value):
        return Value(cleared=True)
    days = found.value if type(found.value) is int else _whole(found.value)
    if days is None or not 0 <= days <= LONGEST_HANDLING_TIME_DAYS:
        problems.append(issue("HANDLING_TIME_INVALID", field=found.field, value=found.value))
        return None
    return Value(days)


def check_unmapped_handling_time(data: JsonObject, marketplace: Marketplace, problems: list[Issue]) -> None:
    """Refuse a handling time that no feed could carry where the template maps none: its sender would never hear of the mistake."""
    given = data.get(HANDLING_TIME)
    if given is not None:
        handling_time(Found(given, HANDLING_TIME), data, marketplace, problems)


def attribute(found: Found | None, _data: JsonObject, _marketplace: Marketplace, _problems: list[Issue]) -> Value:
    return Value(cleared=True) if found is None else Value(found.value)


def _is_blank_text(value: JsonValue) -> bool:
    return type(value) is str and not value.strip()


def _whole(value: JsonValue) -> int | None:
    """Return the whole number that *value* is or spells (5, 5.0, "5"), or None."""
    exact = number(value)
    if exact is None or not exact.is_finite() or exact.adjusted() >= MONEY_DIGITS or exact != exact.to_integral_value():
        return None
    return int(exact)


def _why_not_whole(value: JsonValue) -> str:
    exact = number(value)
    if exact is None:
        return "it is no number."
    return "it has a fraction." if exact.adjusted() < MONEY_DIGITS else "it is too large."
