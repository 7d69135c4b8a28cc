"""What an API file is made of: operations, each a route, a usage plan and a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from ops.simulator.accounts import Seller
from ops.simulator.answers import Answer, JsonObject, Refusal, decode, denied
from ops.simulator.marketplaces import MARKETPLACES, Marketplace
from ops.simulator.quota import Account, Plan
from ops.simulator.world import World


@dataclass(frozen=True, slots=True)
class Request:
    """One call, authenticated: path parameters decoded, lists of the query split."""

    operation: str
    account: Account
    seller: Seller
    base_url: str
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: bytes

    def json(self, refusal: Refusal) -> JsonObject:
        """The body as an object; *refusal* when it is none."""
        try:
            value = decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise refusal from None
        if not isinstance(value, dict):
            raise refusal
        return value

    def one(self, name: str) -> str | None:
        """The single value of a query parameter, or None when it is missing or empty."""
        values = self.query.get(name)
        return values[0] if values else None

    def many(self, name: str) -> list[str]:
        """The values of a list parameter: comma-joined, repeated, or both."""
        return [part for value in self.query.get(name, []) for part in value.split(",") if part]

    def choice(self, name: str, allowed: frozenset[str], refusal: Refusal) -> list[str]:
        """As `many`, with every value among *allowed*."""
        values = self.many(name)
        if not allowed.issuperset(values):
            raise refusal
        return values

    def integer(self, name: str, default: int, highest: int, refusal: Refusal) -> int:
        """A number from 1 to *highest*."""
        text = self.one(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= highest):
            raise refusal
        return int(text)

    def marketplace(self, refusal: Refusal) -> Marketplace:
        """The first of `marketplaceIds`; 403 for one where the seller does not sell."""
        named = self.many("marketplaceIds")
        if not named:
            raise refusal
        for marketplace_id in named:
            if not self.sells_in(marketplace_id):
                raise denied()
        return MARKETPLACES[named[0]]

    def sells_in(self, marketplace_id: str) -> bool:
        """Whether the seller takes part in that marketplace, and the token is of its region."""
        marketplace = MARKETPLACES.get(marketplace_id)
        is_own = marketplace_id in self.seller.marketplace_ids
        return marketplace is not None and is_own and marketplace.region == self.account.region


class Operation(NamedTuple):
    """`path` in Starlette's notation. `rate_on`: answers that show the rate beside 2xx, 400 and 404."""

    name: str
    method: str
    path: str
    plan: Plan
    run: Callable[[World, Request], Answer]
    rate_on: frozenset[int] = frozenset()
