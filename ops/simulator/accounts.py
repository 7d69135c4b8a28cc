"""Selling partners, applications, and the tokens between them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from ops.simulator.quota import Account


@dataclass(slots=True)
class Seller:
    """A selling partner account; `marketplace_ids` are those it sells in, in the order given."""

    seller_id: str
    marketplace_ids: list[str] = field(default_factory=list)
    store_name: str = "Simulated store"


@dataclass(slots=True)
class Grant:
    """What a seller authorised an application to do, in one region: the meaning of a refresh token."""

    refresh_token: str
    account: Account
    is_revoked: bool = False


@dataclass(slots=True)
class AccessToken:
    account: Account
    expires_at: float


class Accounts:
    """Who exists, and which token means whom."""

    def __init__(self) -> None:
        self.sellers: dict[str, Seller] = {}
        self.secrets_by_client: dict[str, set[str]] = {}
        self.grants: dict[str, Grant] = {}
        self._tokens: dict[str, AccessToken] = {}

    def register(self, account: Account, client_secret: str, refresh_token: str, marketplace_ids: Iterable[str]) -> Seller:
        """Make the seller, the application and the grant known; repeating it changes nothing.

        A second secret of one application is a rotation with overlap: both work.
        """
        seller = self.sellers.setdefault(account.seller_id, Seller(account.seller_id))
        seller.marketplace_ids.extend(new for new in marketplace_ids if new not in seller.marketplace_ids)
        self.secrets_by_client.setdefault(account.client_id, set()).add(client_secret)
        self.grants[refresh_token] = Grant(refresh_token, account)
        return seller

    def issue(self, account: Account, expires_at: float) -> str:
        """A new access token; earlier ones stay valid."""
        token = f"Atza|{secrets.token_urlsafe(48)}"
        self._tokens[token] = AccessToken(account, expires_at)
        return token

    def look_up(self, token: str) -> AccessToken | None:
        return self._tokens.get(token)

    def revoke_tokens(self, seller_id: str) -> None:
        """Forget every access token of *seller_id*; its refresh token goes on working."""
        self._tokens = {token: known for token, known in self._tokens.items() if known.account.seller_id != seller_id}
