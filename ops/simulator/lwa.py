"""Login with Amazon: a refresh token becomes an access token. Source: LWA's OAuth 2.0 documentation (RFC 6749)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ops.simulator.answers import Answer, decode
from ops.simulator.gateway import Exchange
from ops.simulator.world import World

PATH = "/auth/o2/token"
OPERATION = "token"
_REVOKED = "The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission."
_CREDENTIALS = ("grant_type", "client_id", "client_secret", "refresh_token")


def _refused(status: int, error: str, description: str) -> Answer:
    return Answer(status, {"error": error, "error_description": description})


async def token(world: World, http: HttpRequest) -> Response:
    """POST /auth/o2/token, as a form or as JSON."""
    body = await http.body()
    exchange = Exchange(world, http, OPERATION)
    given = _parameters(http, body)
    grant = world.accounts.grants.get(given.get("refresh_token", ""))
    exchange.made_by(grant.account if grant else None)
    return await exchange.disturbed(lambda: _answer(exchange, given))


def _parameters(http: HttpRequest, body: bytes) -> Mapping[str, str]:
    if http.headers.get("content-type", "").startswith("application/json"):
        try:
            value = decode(body)
        except msgspec.DecodeError:
            return {}
        return {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=False))
    except UnicodeDecodeError:
        return {}


def _answer(exchange: Exchange, given: Mapping[str, str]) -> Answer:
    world = exchange.world
    if "grant_type" in given and given["grant_type"] != "refresh_token":
        return _refused(400, "unsupported_grant_type", "The authorization grant type is not supported by the authorization server")
    missing = [name for name in _CREDENTIALS if name not in given]
    if missing:
        return _refused(400, "invalid_request", f"The request is missing a required parameter : {missing[0]}")
    known_secrets = world.accounts.secrets_by_client.get(given["client_id"], set())
    if given["client_secret"] not in known_secrets or exchange.strike("client_invalid"):
        return _refused(401, "invalid_client", "Client authentication failed")
    grant = world.accounts.grants.get(given["refresh_token"])
    is_own = grant is not None and grant.account.client_id == given["client_id"]
    if grant is None or not is_own or grant.is_revoked or exchange.strike("refresh_revoked"):
        return _refused(400, "invalid_grant", _REVOKED)
    # Told in real seconds; a very fast clock leaves at least one.
    expires_in = max(1, int(world.limits.token_seconds / world.clock.speed))
    lifetime = max(float(world.limits.token_seconds), expires_in * world.clock.speed)
    access_token = world.accounts.issue(grant.account, world.clock.now() + lifetime)
    fresh = {"access_token": access_token, "token_type": "bearer", "expires_in": expires_in, "refresh_token": grant.refresh_token}
    return Answer(200, fresh, {"Cache-Control": "no-store"})
