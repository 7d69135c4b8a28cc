"""Accounts in a test's database, and gateways to a simulator that know nothing of one another."""

from collections.abc import Callable
from typing import NamedTuple

from pydantic import SecretStr
from sqlalchemy import text

from ops.simulator.control import Credentials, Simulator
from worker.amazon.client import Amazon
from worker.amazon.http import Observe
from worker.clock import Chance, Clock
from worker.core.accounts import Account, Seller
from worker.core.ids import AccountId, ConnectionId
from worker.core.marketplaces import Region
from worker.database import Database
from worker.secrets import Secret, Vault
from worker.settings import Settings
from worker.store import tokens

US = "ATVPDKIKX0DER"
SETTINGS_SECRET = "settings-client-secret"
KEY = "dGVzdCBrZXksIDMyIGJ5dGVzLCBub3QgYSBzZWNyZXQ="
VAULT = Vault([KEY])
CREDENTIALS = Credentials("A1EXAMPLESELLER", "amzn1.application-oa2-client.test", "a-client-secret", "Atzr|a-refresh-token")


def store_account(database: Database, credentials: Credentials = CREDENTIALS, *, own_secret: bool = True) -> Account:
    """Make the row that `connection apply` makes."""
    with database.begin() as tx:
        made = tx.execute(
            text(
                "INSERT INTO account (client_id, selling_partner_id, region, refresh_token)"
                " VALUES (:client_id, :seller_id, 'NA', '') RETURNING id"
            ),
            {"client_id": credentials.client_id, "seller_id": credentials.seller_id},
        ).scalar_one()
        account_id = AccountId(made)
        secret = VAULT.seal(tokens.place(account_id, "client_secret"), Secret(credentials.client_secret))
        tx.execute(
            text("UPDATE account SET refresh_token = :refresh_token, client_secret = :client_secret WHERE id = :id"),
            {
                "id": account_id,
                "refresh_token": VAULT.seal(tokens.place(account_id, "refresh_token"), Secret(credentials.refresh_token)),
                "client_secret": secret if own_secret else None,
            },
        )
    return Account(account_id, credentials.client_id, credentials.seller_id, Region.NA)


class Worker(NamedTuple):
    """One worker's gateway, with a connection pool and a database engine of its own."""

    amazon: Amazon
    database: Database
    clock: Clock

    def close(self) -> None:
        self.amazon.close()
        self.database.close()


def start_worker(
    database_url: str,
    simulator: Simulator,
    *,
    sp_api_url: str | None = None,
    lwa_url: str | None = None,
    observe: Observe = lambda operation, status, seconds: None,
    throttled: Callable[[str], None] = lambda operation: None,
) -> Worker:
    settings = Settings.load(
        database_url=SecretStr(database_url),
        amqp_url=SecretStr("amqp://127.0.0.1"),
        secret_keys=KEY,
        lwa_client_id=CREDENTIALS.client_id,
        lwa_client_secret=SecretStr(SETTINGS_SECRET),
        lwa_url=lwa_url or simulator.lwa_url,
        sp_api_url=sp_api_url or simulator.url,
    )
    database, clock = Database(database_url), Clock()
    return Worker(Amazon(settings, database, VAULT, clock, Chance(), observe=observe, throttled=throttled), database, clock)


def seller_of(account: Account) -> Seller:
    return Seller(ConnectionId(1), account, US)
