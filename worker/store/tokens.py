"""The access tokens in the table `account`: sealed, renewed once for the whole fleet, on Postgres' clock.

The column `renewing_until` is the lease of the one worker that renews; `token_generation` counts the tokens, so that a
worker can say which one Amazon refused. No call to Login with Amazon is made inside a transaction.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, text

from worker.core.ids import AccountId
from worker.database import Transaction
from worker.secrets import Secret, Vault
from worker.store import feeds, outbox

_LOOK: Final = text("""
    SELECT token_generation, access_token, authorization_fault, now,
           access_token IS NOT NULL AND access_expires_at > now AS is_valid,
           access_token IS NOT NULL AND access_renew_at > now AS is_fresh,
           extract(epoch FROM login_not_before - now)::float8 AS closed_seconds
      FROM account, clock_timestamp() AS now WHERE id = :account_id""")

_CLAIM: Final = text("""
    UPDATE account SET renewing_until = clock_timestamp() + make_interval(secs => :lease_seconds)
     WHERE id = :account_id AND token_generation = :generation
       AND greatest(renewing_until, login_not_before, '-infinity') <= clock_timestamp()
    RETURNING client_id, client_secret, refresh_token, login_failures, clock_timestamp() AS claimed_at""")

# Only the worker that still renews this generation writes: one whose lease ran out while Amazon was slow comes too late.
_STORE: Final = text("""
    UPDATE account SET token_generation = token_generation + 1, access_token = :access_token, renewing_until = NULL,
           access_expires_at = CAST(:claimed_at AS timestamptz) + make_interval(secs => :life_seconds),
           access_renew_at = CAST(:claimed_at AS timestamptz) + make_interval(secs => :fresh_seconds),
           refresh_token = coalesce(:refresh_token, refresh_token),
           login_failures = 0, login_not_before = NULL, authorization_fault = NULL
     WHERE id = :account_id AND token_generation = :generation""")

_FAIL: Final = text("""
    UPDATE account SET renewing_until = NULL, login_failures = login_failures + 1,
           login_not_before = clock_timestamp() + make_interval(secs => :wait_seconds)
     WHERE id = :account_id AND token_generation = :generation""")

_FAULT: Final = text("""
    UPDATE account SET renewing_until = NULL, authorization_fault = :fault,
           login_not_before = clock_timestamp() + make_interval(secs => :probe_seconds)
     WHERE id = :account_id AND token_generation = :generation""")

_STANDS: Final = text("SELECT authorization_fault IS NOT NULL FROM account WHERE id = :account_id FOR UPDATE")
_CONNECTIONS: Final = text("SELECT name, now() FROM connection WHERE account_id = :account_id ORDER BY name")
_TO_PROBE: Final = text("""
    SELECT min(c.id) FROM account a JOIN connection c ON c.account_id = a.id
     WHERE a.authorization_fault IS NOT NULL AND a.login_not_before <= clock_timestamp() AND NOT c.paused GROUP BY a.id""")

_FORGET: Final = text("""
    UPDATE account SET token_generation = token_generation + 1, access_token = NULL, access_expires_at = NULL, access_renew_at = NULL,
           renewing_until = NULL, login_failures = 0,
           login_not_before = CASE WHEN authorization_fault IS NOT NULL THEN clock_timestamp() END
     WHERE id = :account_id""")

_CREDENTIALS: Final = text("SELECT client_id, client_secret, refresh_token FROM account WHERE id = :account_id")


class AccessToken(NamedTuple):
    """`generation` tells Amazon's refusal of this token from that of an older one."""

    secret: Secret
    generation: int


class Held(NamedTuple):
    """What an account holds now. `token` is None when there is none that is still valid.

    `is_fresh`: it need not be renewed yet. `closed_seconds`: above zero after a failure or a fault, until the next call
    to Login with Amazon may be made. `now` is Postgres' clock.
    """

    generation: int
    token: AccessToken | None
    is_fresh: bool
    fault: str | None
    closed_seconds: float
    now: datetime


class Credentials(NamedTuple):
    """What a login is made with. `client_secret` None: the settings' own."""

    client_id: str
    client_secret: Secret | None
    refresh_token: Secret


class Claim(NamedTuple):
    """The lease to renew one generation, with what the call needs."""

    account_id: AccountId
    generation: int
    credentials: Credentials
    failures: int
    claimed_at: datetime


def place(account_id: AccountId, column: str) -> str:
    """Return where a secret rests, as the vault wants it."""
    return f"account:{account_id}:{column}"


def look(tx: Transaction, vault: Vault, account_id: AccountId) -> Held:
    """Return what the account holds. Raises LookupError when there is no such account."""
    row = tx.execute(_LOOK, {"account_id": account_id}).one_or_none()
    if row is None:
        raise LookupError(f"there is no account {account_id}")
    token = None
    if row.is_valid:
        token = AccessToken(vault.open(place(account_id, "access_token"), row.access_token), row.token_generation)
    return Held(row.token_generation, token, row.is_fresh, row.authorization_fault, row.closed_seconds or 0.0, row.now)


def claim(tx: Transaction, vault: Vault, account_id: AccountId, generation: int, *, lease_seconds: float) -> Claim | None:
    """Take the right to renew *generation* for *lease_seconds*, or return None: another worker has it, or has done it."""
    row = tx.execute(_CLAIM, {"account_id": account_id, "generation": generation, "lease_seconds": lease_seconds}).one_or_none()
    if row is None:
        return None
    return Claim(account_id, generation, _opened(vault, account_id, row), row.login_failures, row.claimed_at)


def credentials(tx: Transaction, vault: Vault, account_id: AccountId) -> Credentials:
    """Return what the account logs in with. Raises LookupError when there is no such account."""
    row = tx.execute(_CREDENTIALS, {"account_id": account_id}).one_or_none()
    if row is None:
        raise LookupError(f"there is no account {account_id}")
    return _opened(vault, account_id, row)


def _opened(vault: Vault, account_id: AccountId, row: Row[Any]) -> Credentials:
    return Credentials(
        row.client_id,
        None if row.client_secret is None else vault.open(place(account_id, "client_secret"), row.client_secret),
        vault.open(place(account_id, "refresh_token"), row.refresh_token),
    )


def store(
    tx: Transaction,
    vault: Vault,
    claimed: Claim,
    access_token: Secret,
    refresh_token: Secret | None,
    *,
    life_seconds: float,
    fresh_seconds: float,
) -> None:
    """Store the next generation; both times count from the claim. Clears failures and fault. No effect when another was stored."""
    had_fault = _fault_standing(tx, claimed.account_id)
    sealed_refresh = None
    if refresh_token is not None and refresh_token != claimed.credentials.refresh_token:
        sealed_refresh = vault.seal(place(claimed.account_id, "refresh_token"), refresh_token)
    tx.execute(
        _STORE,
        {
            "account_id": claimed.account_id,
            "generation": claimed.generation,
            "claimed_at": claimed.claimed_at,
            "access_token": vault.seal(place(claimed.account_id, "access_token"), access_token),
            "refresh_token": sealed_refresh,
            "life_seconds": life_seconds,
            "fresh_seconds": fresh_seconds,
        },
    )
    if had_fault:
        feeds.wake(tx, claimed.account_id)
        _tell(tx, claimed.account_id, "authorized", None)


def fail(tx: Transaction, claimed: Claim, *, wait_seconds: float) -> None:
    """Note that Login with Amazon did not answer: nobody asks again for *wait_seconds*."""
    tx.execute(_FAIL, {"account_id": claimed.account_id, "generation": claimed.generation, "wait_seconds": wait_seconds})


def fault(tx: Transaction, account_id: AccountId, generation: int, says: str, *, probe_seconds: float) -> None:
    """Note that the authorisation is gone, unless *generation* is no longer the account's: one probe in *probe_seconds*, until `forget`."""
    had_fault = _fault_standing(tx, account_id)
    noted = tx.execute(_FAULT, {"account_id": account_id, "generation": generation, "fault": says, "probe_seconds": probe_seconds}).rowcount
    if noted and not had_fault:
        _tell(tx, account_id, "not_authorized", says)


def _fault_standing(tx: Transaction, account_id: AccountId) -> bool:
    return bool(tx.execute(_STANDS, {"account_id": account_id}).scalar())


def _tell(tx: Transaction, account_id: AccountId, state: str, reason: str | None) -> None:
    """Add the event of every connection of the account, in the transaction that changes it."""
    for name, now in tx.execute(_CONNECTIONS, {"account_id": account_id}).all():
        outbox.tell(tx, outbox.CONNECTION, {"connection": name, "state": state, "reason": reason}, now)


def to_probe(tx: Transaction) -> list[int]:
    """Return a connection of each account whose authorisation is gone and may be tried again now."""
    return [row[0] for row in tx.execute(_TO_PROBE)]


def forget(tx: Transaction, account_id: AccountId) -> None:
    """Forget the token, and let the next call log in anew, also while a fault stands: that goes when Amazon has answered."""
    tx.execute(_FORGET, {"account_id": account_id})
