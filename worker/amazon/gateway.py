"""The way of every call to SP-API: token, quota, HTTP, and what the answer means.

Source: Amazon's "Connect to the Selling Partner API"; requirement rows R4, R12, R13; promises 4 and 5.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import structlog
import urllib3

from worker.amazon.http import USER_AGENT, Answer, Http, Observe
from worker.amazon.login import OPERATION, REFUSED_TOKEN, Login
from worker.clock import Chance, Clock
from worker.core.accounts import Account
from worker.core.issues import shown
from worker.core.json import JsonValue, encode
from worker.core.marketplaces import ENDPOINTS
from worker.core.quota import LONGEST_JITTER, PUBLISHED, Lease
from worker.database import UNREACHABLE, Database, Transaction
from worker.errors import Later, NotAuthorized, NotSent, Refused, Unclear
from worker.secrets import Secret, Vault
from worker.settings import Settings
from worker.store import quota

log = structlog.get_logger()

TIMEOUT: Final = urllib3.Timeout(connect=3, read=30)
"""Amazon's gateways give up after about 30 s."""

CALL_SECONDS: Final = 60
"""The life of a lease: no call that was sent under it arrives at Amazon later, with `TIMEOUT`."""

Answered = TypeVar("Answered")
Written = TypeVar("Written")


class Call(NamedTuple):
    """One call of the API. `path`: its segments, not yet encoded. `limits`: the quotas it uses, when not the operation's alone."""

    operation: str
    method: str
    path: Sequence[str]
    query: Mapping[str, str | Sequence[str]] = {}
    body: JsonValue = None
    limits: Sequence[str] = ()


class _Error(msgspec.Struct):
    code: str = "Unknown"
    message: str = ""
    details: str | None = None


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


class Gateway:
    """What the operations of the API are built on. Safe for threads; opens nothing before its first call.

    *observe* is told of every HTTP exchange, *throttled* of every 429.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        vault: Vault,
        clock: Clock,
        chance: Chance,
        *,
        observe: Observe = lambda operation, status, seconds: None,  # noqa: ARG005
        throttled: Callable[[str], None] = lambda operation: None,  # noqa: ARG005
    ) -> None:
        self._settings, self._database, self._clock, self._chance = settings, database, clock, chance
        self._http = Http(clock, observe)
        self._login = Login(settings, database, vault, clock, chance, self._http)
        self._throttled = throttled

    def close(self) -> None:
        """Close the connections to Amazon."""
        self._http.close()

    def _call(self, account: Account, call: Call, answered: type[Answered], *, lease: Lease | None = None) -> Answered:
        """Make *call* once and return its answer. *lease*: taken before for the call's limits; a dead one is replaced.

        Raises:
            Later: no quota, 429, or no token just now. Nothing was sent, or it had no effect.
            NotSent, Unclear, Refused: as they say.
            NotAuthorized: the account's authorisation is gone.
        """
        token = self._login.access_token(account)
        answer = self._metered(account, call, token.secret, lease)
        if _refuses_token(answer):
            log.warning("token_refused", account_id=account.id, operation=call.operation, request_id=answer.request_id)
            token = self._login.access_token(account, refused=token.generation)
            answer = self._metered(account, call, token.secret, None)
            if _refuses_token(answer):
                raise self._login.refuse(account, token)
        _check(call.operation, answer)
        return _read(call.operation, answer, answered)

    def _try_out(self, account: Account, call: Call, answered: type[Answered]) -> Answered:
        """As `_call`, with a login of its own: whatever comes of it, the fleet goes on as it did."""
        answer = self._metered(account, call, self._login.try_out(account), None)
        if _refuses_token(answer):
            raise NotAuthorized(OPERATION, REFUSED_TOKEN)
        _check(call.operation, answer)
        return _read(call.operation, answer, answered)

    def _metered(self, account: Account, call: Call, token: Secret, lease: Lease | None) -> Answer:
        """Make *call* inside its usage plan. Raises Later, NotSent, Unclear, Refused."""
        limits = call.limits or (call.operation,)
        held = self._lease(account, call.operation, limits, lease)
        try:
            answer = self._send(account, call, token)
        except NotSent:
            self._afterwards(lambda tx: quota.give_back(tx, account.id, limits, held))
            raise
        except (Unclear, Refused):
            self._afterwards(lambda tx: quota.finish(tx, account.id, limits, held))
            raise
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._throttled(call.operation)
            jitter = self._chance.between(0, LONGEST_JITTER)
            at = self._afterwards(lambda tx: quota.throttled(tx, account.id, limits, held, jitter=jitter))
            log.warning("call_throttled", account_id=account.id, operation=call.operation, request_id=answer.request_id)
            raise Later(call.operation, at or self._clock.now() + timedelta(seconds=1 / PUBLISHED[call.operation].rate), "Amazon said 429")
        self._afterwards(lambda tx: quota.finish(tx, account.id, limits, held, told_rate=_told_rate(answer)))
        return answer

    def _lease(self, account: Account, operation: str, limits: Sequence[str], lease: Lease | None) -> Lease:
        """Return a lease for one call that is made at once. Raises Later."""
        with self._database.begin() as tx:
            if lease is not None and quota.renew(tx, account.id, limits, lease, life_seconds=CALL_SECONDS):
                return lease
            taken = quota.take(tx, account.id, limits, life_seconds=CALL_SECONDS)
        if isinstance(taken, datetime):
            raise Later(operation, taken)
        return taken

    def _send(self, account: Account, call: Call, token: Secret) -> Answer:
        url = (self._settings.sp_api_url or ENDPOINTS[account.region]).rstrip("/")
        url += "/" + "/".join(quote(segment, safe="") for segment in call.path)
        if call.query:
            joined = {name: value if isinstance(value, str) else ",".join(value) for name, value in call.query.items()}
            url += "?" + urlencode(joined, quote_via=quote)
        headers = {
            "x-amz-access-token": token.reveal(),
            "x-amz-date": self._clock.now().strftime("%Y%m%dT%H%M%SZ"),
            "user-agent": USER_AGENT,
            "accept": "application/json",
        }
        if call.body is not None:
            headers["content-type"] = "application/json"
        body = None if call.body is None else encode(call.body)
        return self._http.send(call.operation, call.method, url, headers=headers, body=body, timeout=TIMEOUT)

    def _afterwards(self, write: Callable[[Transaction], Written]) -> Written | None:
        """Do the accounts after an answer. It is not lost when Postgres is away: the lease ends by itself."""
        try:
            with self._database.begin() as tx:
                return write(tx)
        except UNREACHABLE:
            log.warning("quota_not_settled")
            return None


def _refuses_token(answer: Answer) -> bool:
    """Whether Amazon refuses the access token itself; a missing role is a 403 that says nothing of a token."""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return True
    if answer.status != HTTPStatus.FORBIDDEN:
        return False
    said = " ".join(f"{error.message} {error.details}" for error in _errors(answer)).lower()
    return "access token" in said and any(word in said for word in ("expired", "revoked", "malformed", "invalid", "missing"))


def _check(operation: str, answer: Answer) -> None:
    """Raises: Refused for 4xx; Unclear for anything else that is not 2xx."""
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if not HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unclear(operation, "Amazon failed", status=answer.status, request_id=answer.request_id)
    error = next(iter(_errors(answer)), _Error())
    reason = f"{error.message} {error.details or ''}".strip() or "no reason given"
    raise Refused(operation, shown(reason), code=shown(error.code), status=answer.status, request_id=answer.request_id)


def _read(operation: str, answer: Answer, answered: type[Answered]) -> Answered:
    """Raises: Unclear when the body is not what Amazon's model promises."""
    if answered is type(None):
        return answered()
    try:
        return msgspec.json.decode(answer.body, type=answered)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Unclear(operation, "the answer cannot be read", status=answer.status, request_id=answer.request_id) from None


def _errors(answer: Answer) -> list[_Error]:
    """Return Amazon's errors; none when a gateway before it answered in a form of its own."""
    try:
        return msgspec.json.decode(answer.body, type=_Errors).errors
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []


def _told_rate(answer: Answer) -> float | None:
    try:
        rate = float(answer.headers.get("x-amzn-RateLimit-Limit", ""))
    except ValueError:
        return None
    return rate if rate > 0 and math.isfinite(rate) else None
