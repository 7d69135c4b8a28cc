"""JSON whose numbers stay exact: money never passes through binary floating point."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
import orjson

JsonValue = Any
"""A decoded JSON value: str, int, bool, Decimal, None, or lists and dicts of these. Never a float."""

JsonObject = Mapping[str, Any]

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


def decode(text: bytes | str) -> JsonValue:
    """Return the value of *text*, with a Decimal of the literal's own digits for every number with a point or exponent.

    Raises: msgspec.DecodeError, msgspec.ValidationError (an integer beyond 64 bits), RecursionError, UnicodeDecodeError.
    """
    return _DECODER.decode(text)


def _exact(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value).__name__} is not JSON")


def encode(value: JsonValue, *, canonical: bool = False) -> bytes:
    """Return compact JSON; a Decimal is written digit by digit. *canonical* sorts the keys.

    Raises: TypeError for anything that is not JSON (orjson.JSONEncodeError is one).
    """
    return orjson.dumps(value, default=_exact, option=orjson.OPT_SORT_KEYS if canonical else None)
