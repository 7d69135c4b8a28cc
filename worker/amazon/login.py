"""Login with Amazon: access tokens, renewed once for the whole fleet.

Source: Amazon's "Connect to the Selling Partner API"; requirement rows R12, R13, R14.
"""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from threading import Event
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec
import structlog
import urllib3

from worker.amazon.http import USER_AGENT, Http
from worker.clock import Chance, Clock
from worker.core.accounts import Account
from worker.database import Database
from worker.errors import AmazonError, Later, NotAuthorized, Unclear
from worker.secrets import Secret, Vault
from worker.settings import Settings
from worker.store import tokens
from worker.store.tokens import AccessToken, Claim, Credentials

log = structlog.get_logger()

OPERATION: Final = "token"
TIMEOUT: Final = urllib3.Timeout(connect=3, read=10)
LEASE_SECONDS: Final = 20
"""Longer than one call with `TIMEOUT` takes. When its worker dies, another one takes over then."""

RENEW_EARLY_SECONDS: Final = 60
RENEW_EARLY_SHARE: Final = 0.1
"""A token is renewed a minute before it expires, or a tenth of its life where that is less."""

WAIT_SECONDS: Final = 5
"""How long a call waits for another worker's renewal before it says Later."""

BACKOFF_SECONDS: Final = 2
LONGEST_BACKOFF_SECONDS: Final = 120
PROBE_SECONDS: Final = 15 * 60
"""While the authorisation is gone: one login in so long, in case that a person has repaired it at Amazon."""

# What Amazon's error names mean to the person who has to act. Amazon's own texts are not repeated: they are not ours to vouch for.
FAULTS: Final[Mapping[str, str]] = {
    "invalid_grant": "the refresh token is wrong or expired, or the seller has withdrawn it. Authorise the application again.",
    "invalid_client": "the application's client id or client secret is wrong or expired. Rotate the secret and set it.",
    "unauthorized_client": "the refresh token belongs to another application. Check client id and refresh token.",
    "access_denied": "the application may not use this login. Check its status in Seller Central.",
    "invalid_scope": "the application may not use this login. Check its status in Seller Central.",
    "unsupported_grant_type": "the application may not use refresh tokens. Check its status in Seller Central.",
    "invalid_request": "the client id, the client secret or the refresh token is malformed.",
}
REFUSED_TOKEN: Final = "Amazon refuses a fresh access token. Check the application's status in Seller Central."  # noqa: S105  # a sentence


class Login:
    """Hands out the account's access token."""

    def __init__(self, settings: Settings, database: Database, vault: Vault, clock: Clock, chance: Chance, http: Http) -> None:
        self._settings, self._database, self._vault = settings, database, vault
        self._clock, self._chance, self._http = clock, chance, http

    def access_token(self, account: Account, *, refused: int | None = None) -> AccessToken:
        """Return a valid access token. *refused*: the generation that Amazon has just called expired or revoked.

        Raises:
            Later: Login with Amazon is not to be reached, or another worker takes long to renew.
            NotAuthorized: the authorisation is gone.
        """
        patience = self._clock.monotonic() + WAIT_SECONDS
        while True:
            with self._database.begin() as tx:
                held = tokens.look(tx, self._vault, account.id)
                usable = held.token if held.generation != refused else None
                if usable is not None and held.is_fresh and held.fault is None:
                    return usable
                claimed = tokens.claim(tx, self._vault, account.id, held.generation, lease_seconds=LEASE_SECONDS)
            if claimed is not None:
                self._renew(claimed)
            elif held.fault is not None:
                raise NotAuthorized(OPERATION, held.fault)
            elif usable is not None:
                return usable
            elif held.closed_seconds > 0:
                raise Later(OPERATION, held.now + timedelta(seconds=held.closed_seconds), "Login with Amazon did not answer")
            elif self._clock.monotonic() >= patience:
                raise Later(OPERATION, held.now + timedelta(seconds=1), "another worker is renewing the token")
            else:
                self._clock.wait(Event(), self._chance.between(0.05, 0.1))

    def try_out(self, account: Account) -> Secret:
        """Log in beside the fleet, and return the access token: the fleet's own token, lease and fault stay as they are.

        Raises: NotAuthorized; AmazonError when Login with Amazon is away, busy or unreadable.
        """
        with self._database.begin() as tx:
            credentials = tokens.credentials(tx, self._vault, account.id)
        try:
            return Secret(self._ask(credentials).access_token)
        except _Fault as fault:
            raise NotAuthorized(OPERATION, str(fault)) from None

    def refuse(self, account: Account, token: AccessToken) -> NotAuthorized:
        """Note that Amazon refuses *token* although it is fresh, and return what to raise."""
        with self._database.begin() as tx:
            tokens.fault(tx, account.id, token.generation, REFUSED_TOKEN, probe_seconds=PROBE_SECONDS)
        log.error("authorization_lost", account_id=account.id, error="token_refused")
        return NotAuthorized(OPERATION, REFUSED_TOKEN)

    def _renew(self, claimed: Claim) -> None:
        """Make the one call of the fleet, and write down what came of it. The caller looks again."""
        try:
            granted = self._ask(claimed.credentials)
        except _Fault as fault:
            with self._database.begin() as tx:
                tokens.fault(tx, claimed.account_id, claimed.generation, str(fault), probe_seconds=PROBE_SECONDS)
            log.error("authorization_lost", account_id=claimed.account_id, error=fault.error)  # noqa: TRY400  # a traceback adds nothing
        except AmazonError as error:
            backoff = min(BACKOFF_SECONDS * 2**claimed.failures, LONGEST_BACKOFF_SECONDS)
            with self._database.begin() as tx:
                tokens.fail(tx, claimed, wait_seconds=backoff * self._chance.between(1, 1.5))
            log.warning(
                "token_not_renewed", account_id=claimed.account_id, reason=error.reason, status=error.status, failures=claimed.failures + 1
            )
        else:
            early = min(RENEW_EARLY_SECONDS, RENEW_EARLY_SHARE * granted.expires_in)
            refresh_token = None if granted.refresh_token is None else Secret(granted.refresh_token)
            with self._database.begin() as tx:
                tokens.store(
                    tx,
                    self._vault,
                    claimed,
                    Secret(granted.access_token),
                    refresh_token,
                    life_seconds=granted.expires_in,
                    fresh_seconds=granted.expires_in - early,
                )
            log.info("token_renewed", account_id=claimed.account_id, generation=claimed.generation + 1)

    def _ask(self, credentials: Credentials) -> "_Granted":
        """Raises: _Fault when Login with Amazon refuses the credentials; AmazonError when it is away, busy or unreadable."""
        secret = credentials.client_secret or Secret(self._settings.lwa_client_secret.get_secret_value())
        form = {
            "grant_type": "refresh_token",
            "refresh_token": credentials.refresh_token.reveal(),
            "client_id": credentials.client_id,
            "client_secret": secret.reveal(),
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json", "user-agent": USER_AGENT}
        answer = self._http.send(OPERATION, "POST", self._settings.lwa_url, headers=headers, body=urlencode(form).encode(), timeout=TIMEOUT)
        try:
            if answer.status == HTTPStatus.OK:
                return msgspec.json.decode(answer.body, type=_Granted)
            refusal = msgspec.json.decode(answer.body, type=_Refusal).error
        except (msgspec.MsgspecError, UnicodeDecodeError):
            refusal = ""
        if refusal in FAULTS and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _Fault(refusal)
        raise Unclear(OPERATION, "Login with Amazon gave no token", status=answer.status, request_id=answer.request_id)


class _Granted(msgspec.Struct):
    access_token: Annotated[str, msgspec.Meta(min_length=1)]
    expires_in: Annotated[int, msgspec.Meta(gt=0)]
    refresh_token: str | None = None


class _Refusal(msgspec.Struct):
    error: str


class _Fault(Exception):
    def __init__(self, error: str) -> None:
        super().__init__(f"Login with Amazon says {error}: {FAULTS[error]}")
        self.error = error
