"""Answers and refusals as Amazon words them, and JSON that keeps every digit of a price."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

import msgspec

# JSON as read here: numbers with a fraction are Decimal, never binary floats.
Json: TypeAlias = "bool | int | Decimal | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: object) -> bytes:
    """Compact JSON; a Decimal is a number with exactly its digits."""
    return _ENCODER.encode(value)


def decode(raw: bytes) -> Json:
    """JSON with Decimal for fractions. Raises msgspec.DecodeError."""
    value: Json = _DECODER.decode(raw)
    return value


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation gives back; `body` is encoded as JSON unless it is bytes or None."""

    status: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else encode(self.body)


class Refusal(Exception):
    """An answer in Amazon's error shape, raised wherever it is found out."""

    def __init__(self, status: int, code: str, message: str, details: str | None = "") -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    def answer(self) -> Answer:
        error = {"code": self.code, "message": self.message}
        if self.details is not None:
            error["details"] = self.details
        return Answer(self.status, {"errors": [error]})


DENIED = "Access to requested resource is denied."
TOKEN_EXPIRED = "The access token you provided has expired."  # noqa: S105 - a text, not a secret
TOKEN_INVALID = "The access token you provided is revoked, malformed or invalid."  # noqa: S105
TOKEN_MISSING = "Access token is missing in the request header."  # noqa: S105


def denied(details: str = "") -> Refusal:
    """403: expired or bad token, missing role, another seller's resource."""
    return Refusal(403, "Unauthorized", DENIED, details)


def throttled() -> Refusal:
    """429: the bucket or a window is empty; the call had no effect."""
    return Refusal(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")


def invalid_parameters(details: str = "") -> Refusal:
    """400 of the Feeds API, the same text for every cause."""
    return Refusal(400, "InvalidInput", "Invalid request parameters", details)


def bad_request(message: str, details: str = "") -> Refusal:
    """400 of the Listings Items and Product Type Definitions APIs."""
    return Refusal(400, "BAD_REQUEST", message, details)
