"""PUT and GET of presigned URLs: what S3 answers. Source: Amazon S3 API reference, and the Feeds guide."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops.simulator.answers import Answer
from ops.simulator.documents import Document, Permit, expired, failing, packed, s3_error, signature_mismatch
from ops.simulator.gateway import Exchange
from ops.simulator.world import World

_PAGE = b"<html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>"
UPLOAD, DOWNLOAD = "uploadDocument", "downloadDocument"


async def upload(world: World, http: HttpRequest) -> Response:
    """PUT: the bytes as they are, once or again while the URL lives; the last body wins."""
    body = await http.body()
    exchange = _exchange(world, http, UPLOAD)
    return await exchange.disturbed(lambda: _uploaded(exchange, body))


async def download(world: World, http: HttpRequest) -> Response:
    """GET: the stored bytes, gzip when they were stored so; a report is made while it is sent."""
    exchange = _exchange(world, http, DOWNLOAD)
    delivery = _Delivery()
    response = await exchange.disturbed(lambda: _downloaded(exchange, delivery))
    if response.status_code != 200:
        return response
    if delivery.pieces is not None:
        pieces = islice(delivery.pieces, 1) if delivery.is_cut else delivery.pieces
        return PiecesResponse(pieces, dict(response.headers), is_cut=delivery.is_cut)
    return ShortResponse(response.body, 200, dict(response.headers)) if delivery.is_cut else response


@dataclass(slots=True)
class _Delivery:
    """How a download is sent, beside its headers. `pieces`: in the place of a body; `is_cut`: the connection ends early."""

    pieces: Iterator[bytes] | None = None
    is_cut: bool = False


class PiecesResponse(Response):
    """A body of unknown length, piece by piece; other calls get their turn in between."""

    def __init__(self, pieces: Iterator[bytes], headers: Mapping[str, str], *, is_cut: bool) -> None:
        super().__init__(None, 200, headers)
        del self.headers["content-length"]
        self._pieces = pieces
        self._is_cut = is_cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)
        if self._is_cut:
            await _close(scope, receive)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


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
        await _close(scope, receive)


async def _close(scope: Scope, receive: Receive) -> None:
    """End the connection. Closed, not reset: what was sent shall arrive."""
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


def _downloaded(exchange: Exchange, delivery: _Delivery) -> Answer:
    if (rule := exchange.strike("download_error")) is not None:
        return failing(rule.status or 503)
    found = _permitted(exchange)
    if isinstance(found, Answer):
        return found
    permit, document = found
    if exchange.strike("download_html"):
        return Answer(200, _PAGE, {"Content-Type": "text/html"})
    rule = exchange.strike("download_truncated")
    how = None if rule is None else rule.body or "length"
    delivery.is_cut = how == "length"
    headers = {"Content-Type": document.content_type, "Content-Encoding": permit.content_encoding}
    if document.pieces is not None:
        delivery.pieces = _pieces(document, document.pieces(), how)
        return Answer(200, None, headers)
    body = _in_members(document) if document.is_gzip and exchange.strike("gzip_in_members") else _body(document, how)
    return Answer(200, body, headers)


def _pieces(document: Document, plain: Iterator[bytes], how: str | None) -> Iterator[bytes]:
    """The bytes of a report as they are sent; *how* they end early though the transfer is complete, or None."""
    if how == "json":
        plain = (piece[: len(piece) // 2] for piece in islice(plain, 1))
    return packed(plain, is_whole=how != "gzip") if document.is_gzip else plain


def _in_members(document: Document) -> bytes:
    plain = document.plain()
    middle = len(plain) // 2
    return b"".join((*packed(iter([plain[:middle]])), *packed(iter([plain[middle:]]))))


def _body(document: Document, how: str | None) -> bytes:
    """The bytes of a stored document, in the same way."""
    body = document.body or b""
    if how == "gzip":
        return body[: len(body) * 2 // 3]
    if how != "json":
        return body
    half = document.plain()[: len(document.plain()) // 2]
    return b"".join(packed(iter([half]))) if document.is_gzip else half
