"""Sellers API v1: where an account sells. What `connection test` asks."""

import msgspec

from worker.amazon.gateway import Call, Gateway
from worker.core.accounts import Account


class _Marketplace(msgspec.Struct):
    id: str


class _Participation(msgspec.Struct, rename="camel"):
    is_participating: bool


class _Entry(msgspec.Struct):
    marketplace: _Marketplace
    participation: _Participation


class _Answer(msgspec.Struct):
    payload: list[_Entry]


class Sellers(Gateway):
    def marketplace_participations(self, account: Account) -> list[str]:
        """Return the ids of the marketplaces that the account sells in."""
        call = Call("getMarketplaceParticipations", "GET", ("sellers", "v1", "marketplaceParticipations"))
        return [entry.marketplace.id for entry in self._call(account, call, _Answer).payload if entry.participation.is_participating]
