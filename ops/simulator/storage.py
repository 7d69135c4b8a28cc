"""PUT and GET of presigned URLs: what S3 answers. Source: Amazon S3 API reference, and the Feeds guide."""

from __future__ import annotations

import hashlib
import zlib

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops.simulator.answers import Answer
from ops.simulator.documents import Document, Permit, expired, failing, s3_error, signature_mismatch
from ops.simulator.faults import Rule
from ops.simulator.gateway import Exchange
from ops.simulator.world import World

UPLOAD, DOWNLOAD = "uploadDocument", "downloadDocument"


async def upload(world: World, http: HttpRequest) -> Response:
    """PUT: the bytes as they are, once or again while the URL lives; the last body wins."""
    body = await http.body()
    exchange = _exchange(world, http, UPLOAD)
    return await exchange.disturbed(lambda: _uploaded(exchange, body))


async def download(world: World, http: HttpRequest) -> Response:
    """GET: the stored bytes, gzip when they were stored so."""
    exchange = _exchange(world, http, DOWNLOAD)
    truncated: list[Rule] = []
    response = await exchange.disturbed(lambda: _downloaded(exchange, truncated))
    if truncated and response.status_code == 200:
        return ShortResponse(response.body, 200, dict(response.headers))
    return response


def _exchange(world: World, http: HttpRequest, operation: str) -> Exchange:
    exchange = Exchange(world, http, operation)
    exchange.seller_id = world.documents.owner(http.path_params["documentId"])
    return exchange


class ShortResponse(Response):
    """Half of the body under the whole Content-Length; then the connection is cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = bytes(self.body)
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        # Closed, not reset: what was sent shall arrive.
        scope["state"]["transport"].close()
        while (await receive())["type"] != "http.disconnect":
            pass


def _permitted(exchange: Exchange) -> tuple[Permit, Document] | Answer:
    world, http = exchange.world, exchange.http
    found = world.documents.permit(http.query_params.get("X-Amz-Signature", ""), http.method, http.path_params["documentId"])
    if found is None:
        return signature_mismatch()
    if "x-amz-access-token" in http.headers:
        # A second credential beside the signature; and it has leaked by now.
        return s3_error(400, "InvalidArgument", "Only one auth mechanism allowed.")
    if world.clock.now() > found[0].expires_at or exchange.strike("url_expired_early"):
        return expired(found[0], world.clock)
    return found


def _uploaded(exchange: Exchange, body: bytes) -> Answer:
    if (rule := exchange.strike("upload_error")) is not None:
        return failing(rule.status or 503)
    found = _permitted(exchange)
    if isinstance(found, Answer):
        return found
    document = found[1]
    if exchange.http.headers.get("content-type") != document.content_type:
        return signature_mismatch()
    if not document.times_used:
        document.body = body
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return Answer(200, None, {"ETag": f'"{etag}"'})


def _downloaded(exchange: Exchange, truncated: list[Rule]) -> Answer:
    if (rule := exchange.strike("download_error")) is not None:
        return failing(rule.status or 503)
    found = _permitted(exchange)
    if isinstance(found, Answer):
        return found
    permit, document = found
    body = document.body or b""
    if (rule := exchange.strike("download_truncated")) is not None:
        if rule.body in {"gzip", "json"}:
            body = _shortened(document, rule.body)
        else:
            truncated.append(rule)
    return Answer(200, body, {"Content-Type": document.content_type, "Content-Encoding": permit.content_encoding})


def _shortened(document: Document, how: str) -> bytes:
    """A body that ends early though the transfer was complete."""
    if how == "gzip":
        body = document.body or b""
        return body[: len(body) * 2 // 3]
    half = document.plain()[: len(document.plain()) // 2]
    return _gzip(half) if document.is_gzip else half


def _gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()
