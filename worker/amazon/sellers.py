"""Sellers API v1: where an account sells. What `connection test` asks."""

from typing import Final

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


_CALL: Final = Call("getMarketplaceParticipations", "GET", ("sellers", "v1", "marketplaceParticipations"))


class Sellers(Gateway):
    def marketplace_participations(self, account: Account) -> list[str]:
        """Return the ids of the marketplaces that the account sells in."""
        return _participating(self._call(account, _CALL, _Answer))

    def try_out(self, account: Account) -> list[str]:
        """As `marketplace_participations`, with a fresh login that nobody else hears of."""
        return _participating(self._try_out(account, _CALL, _Answer))


def _participating(answer: _Answer) -> list[str]:
    return [entry.marketplace.id for entry in answer.payload if entry.participation.is_participating]
