"""An account: one application acting for one selling partner in one region. Holds no secret."""

from typing import NamedTuple

from worker.core.ids import AccountId, ConnectionId
from worker.core.marketplaces import Region


class Account(NamedTuple):
    """What a call to SP-API is made for. Its row in `account` holds the credentials, the token and the quota."""

    id: AccountId
    client_id: str
    selling_partner_id: str
    region: Region


class Seller(NamedTuple):
    """An account on one marketplace: the part of a connection that calls to SP-API need."""

    connection_id: ConnectionId
    account: Account
    marketplace_id: str
