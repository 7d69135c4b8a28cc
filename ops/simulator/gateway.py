"""The way of every SP-API call: token, quota, handler, headers, call log, and the faults on the way.

Source: "SP-API usage plans and rate limits" and the headers that Amazon's models declare.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops.simulator.accounts import Seller
from ops.simulator.answers import TOKEN_EXPIRED, TOKEN_INVALID, TOKEN_MISSING, Answer, Refusal, denied, throttled
from ops.simulator.calls import Call
from ops.simulator.faults import Rule
from ops.simulator.operations import Operation, Request
from ops.simulator.quota import Account
from ops.simulator.world import World

_SHOWS_RATE = frozenset({200, 201, 202, 204, 400, 404})
_MAX_USER_AGENT = 500


class CutConnection(Response):
    """No answer at all: the TCP connection is reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del send
        scope["state"]["transport"].abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class Exchange:
    """One HTTP request on its way: who asked, which faults struck, what goes into the log."""

    def __init__(self, world: World, http: HttpRequest, operation: str) -> None:
        self.world = world
        self.http = http
        self.operation = operation
        self.request_id = str(uuid.uuid4())
        self.account: Account | None = None
        self.seller_id: str | None = None
        self.fault: str | None = None
        self._real, self._virtual = world.clock.real(), world.clock.now()

    def made_by(self, account: Account | None) -> None:
        """Say who asked, as soon as it is known: rules and the call log tell sellers apart."""
        self.account = account
        self.seller_id = account.seller_id if account else None

    def strike(self, kind: str) -> Rule | None:
        """The fault of *kind* that hits this call; the first one is named in the call log."""
        rule = self.world.faults.strike(kind, operation=self.operation, seller=self.seller_id)
        if rule is not None:
            self.fault = self.fault or kind
        return rule

    def log(self, status: int) -> None:
        self.world.calls.add(
            Call(
                number=self.world.calls.total + 1,
                at_real=self._real,
                at_virtual=self._virtual,
                operation=self.operation,
                method=self.http.method,
                path=unquote(self.http.url.path),
                status=status,
                request_id=self.request_id,
                seller=self.seller_id,
                client_id=self.account.client_id if self.account else None,
                fault=self.fault,
            )
        )

    async def disturbed(self, answer: Callable[[], Answer]) -> Response:
        """Call *answer*, with the faults that may strike any operation before and after it."""
        if (slow := self.strike("slow")) is not None:
            await asyncio.sleep(slow.seconds or 10)
        if self.strike("drop_before"):
            return self._cut()
        if (rule := self.strike("error_before")) is not None:
            return self.respond(broken(rule))
        made = answer()
        if (slow := self.strike("slow_after")) is not None:
            await asyncio.sleep(slow.seconds or 10)
        if self.strike("drop_after"):
            return self._cut()
        if (rule := self.strike("error_after")) is not None:
            made = broken(rule)
        return self.respond(made)

    def respond(self, answer: Answer) -> Response:
        self.log(answer.status)
        headers = {"x-amzn-RequestId": self.request_id, **answer.headers}
        if answer.body is not None:
            headers.setdefault("Content-Type", "application/json")
        return Response(answer.content(), answer.status, headers)

    def _cut(self) -> Response:
        self.log(0)
        return CutConnection()


def endpoint(world: World, operation: Operation) -> Callable[[HttpRequest], Awaitable[Response]]:
    """The Starlette endpoint of *operation*."""

    async def call(http: HttpRequest) -> Response:
        body = await http.body()
        exchange = Exchange(world, http, operation.name)
        token = world.accounts.look_up(http.headers.get("x-amz-access-token", ""))
        exchange.made_by(token.account if token else None)
        return await exchange.disturbed(lambda: _answer(exchange, operation, body))

    return call


def _answer(exchange: Exchange, operation: Operation, body: bytes) -> Answer:
    """Authenticate, take a token of the bucket, run the operation."""
    world = exchange.world
    try:
        account, seller = _authenticate(exchange)
        _check_transport(exchange, body)
    except Refusal as refusal:
        return _with_rate(exchange, operation, None, refusal.answer())
    plan = world.plan_of(account, operation.name, operation.plan)
    is_metered = world.limits.enforce_plans
    if exchange.strike("throttle") or (is_metered and not world.quotas.take(account, operation.name, plan, world.clock.now())):
        return _with_rate(exchange, operation, account, throttled().answer())
    request = Request(
        operation=operation.name,
        account=account,
        seller=seller,
        base_url=world.base_url or f"{exchange.http.url.scheme}://{exchange.http.url.netloc}",
        path={name: unquote(value) for name, value in exchange.http.path_params.items()},
        query={name: exchange.http.query_params.getlist(name) for name in exchange.http.query_params},
        body=body,
    )
    world.settle()
    try:
        answer = operation.run(world, request)
    except Refusal as refusal:
        if refusal.status == 429 and is_metered:
            world.quotas.give_back(account, operation.name)
        answer = refusal.answer()
    return _with_rate(exchange, operation, account, answer)


def _authenticate(exchange: Exchange) -> tuple[Account, Seller]:
    """Whom the access token stands for. Raises Refusal 403."""
    world = exchange.world
    header = exchange.http.headers.get("x-amz-access-token")
    if not header:
        raise denied(TOKEN_MISSING)
    token = world.accounts.look_up(header)
    if token is None or exchange.strike("token_revoked"):
        raise denied(TOKEN_INVALID)
    if world.clock.now() >= token.expires_at or exchange.strike("token_expired"):
        raise denied(TOKEN_EXPIRED)
    if exchange.strike("role_missing"):
        raise denied()
    return token.account, world.accounts.sellers[token.account.seller_id]


def _check_transport(exchange: Exchange, body: bytes) -> None:
    http = exchange.http
    agent = http.headers.get("user-agent", "")
    if not agent or len(agent) > _MAX_USER_AGENT:
        raise Refusal(400, "InvalidInput", "The User-Agent header is missing or over 500 characters.")
    if body and http.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "UnsupportedMediaType", "The entity is in a format that is not supported by the requested resource.")
    if len(body) > exchange.world.limits.max_body_bytes:
        raise Refusal(413, "RequestTooLarge", "The request size exceeded the maximum accepted size.")


def _with_rate(exchange: Exchange, operation: Operation, account: Account | None, answer: Answer) -> Answer:
    """*answer* with x-amzn-RateLimit-Limit, where the model of the API declares it.

    The rate told is one of real seconds: the published one times the speed of the clock, so that a
    client that learns its rate from the header keeps step with a fast clock.
    """
    world = exchange.world
    if not world.limits.show_rate_header or answer.status not in _SHOWS_RATE | operation.rate_on:
        return answer
    plan = world.plan_of(account, operation.name, operation.plan) if account else operation.plan
    rate = f"{plan.rate * world.clock.speed:.10g}"
    return Answer(answer.status, answer.body, {**answer.headers, "x-amzn-RateLimit-Limit": rate})


def broken(rule: Rule) -> Answer:
    """A 5xx in one of the forms that come from Amazon, or from the gateways before it."""
    status = rule.status or 500
    code, message = (
        ("ServiceUnavailable", "Service is temporarily unavailable.")
        if status == 503
        else ("InternalFailure", "We encountered an internal error.")
    )
    match rule.body:
        case "html":
            page = f"<html><head><title>{status}</title></head><body><h1>{status} {message}</h1></body></html>"
            return Answer(status, page.encode(), {"Content-Type": "text/html"})
        case "message":
            return Answer(status, {"message": message})
        case "empty":
            return Answer(status)
        case _:
            return Refusal(status, code, message).answer()
