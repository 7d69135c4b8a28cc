"""Documents behind presigned URLs: the part that S3 plays.

Source: Feeds API 2021-06-30 guide; the XML bodies are S3's own. A URL is good for 300 virtual seconds;
X-Amz-Expires tells the real seconds that this is.
"""

from __future__ import annotations

import gzip
import hashlib
import secrets
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from ops.simulator.answers import Answer
from ops.simulator.clock import Clock, exact_time
from ops.simulator.quota import Account


@dataclass(slots=True)
class Document:
    """`body` is None until the upload. `is_gzip`: the bytes are gzip, and getFeedDocument says so.

    `pieces`, of a report, makes the plain bytes anew for each download, piece by piece: millions of lines
    are never held at once.
    """

    document_id: str
    seller_id: str
    content_type: str
    body: bytes | None = None
    is_gzip: bool = False
    times_used: int = 0
    pieces: Callable[[], Iterator[bytes]] | None = None

    @property
    def is_there(self) -> bool:
        return self.body is not None or self.pieces is not None

    def archive(self) -> None:
        """Let the bytes be gzip: a long run keeps thousands of processed inputs, and only a curious test reads them."""
        if self.body is not None and not self.is_gzip:
            self.body = gzip.compress(self.body, compresslevel=1, mtime=0)
        self.is_gzip = True

    def plain(self) -> bytes:
        body = self.body or b""
        return gzip.decompress(body) if self.is_gzip else body


def packed(pieces: Iterator[bytes], *, is_whole: bool = True) -> Iterator[bytes]:
    """*pieces* as one gzip stream; without its end unless *is_whole*."""
    packer = zlib.compressobj(level=1, wbits=31)
    for piece in pieces:
        yield packer.compress(piece)
    if is_whole:
        yield packer.flush()


@dataclass(frozen=True, slots=True)
class Permit:
    """What one presigned URL allows; times are virtual seconds."""

    method: Literal["PUT", "GET"]
    document_id: str
    expires_at: float
    told_seconds: int
    content_encoding: str = "identity"


class Documents:
    """Every document, and every URL ever signed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._documents: dict[tuple[str, str, str], Document] = {}
        self._by_id: dict[str, Document] = {}
        self._permits: dict[str, Permit] = {}

    def create(self, account: Account, content_type: str) -> Document:
        """An empty document with an id in the shape of Amazon's."""
        document_id = f"amzn1.tortuga.4.{account.region.lower()}.{uuid.uuid4()}.T{secrets.token_hex(6).upper()}"
        document = Document(document_id, account.seller_id, content_type)
        self._documents[account.seller_id, account.region, document_id] = document
        self._by_id[document_id] = document
        return document

    def find(self, account: Account, document_id: str) -> Document | None:
        """The seller's own document of that id; ids mean nothing to another seller, nor in another region."""
        return self._documents.get((account.seller_id, account.region, document_id))

    def owner(self, document_id: str) -> str | None:
        """Whose document that is."""
        document = self._by_id.get(document_id)
        return document.seller_id if document else None

    def sign(
        self, base_url: str, document: Document, method: Literal["PUT", "GET"], seconds: float, *, content_encoding: str = "identity"
    ) -> str:
        """A presigned URL, good for *seconds* of virtual time, told in real ones (at least one)."""
        speed = self._clock.speed
        told = max(1, int(seconds / speed))
        expires_at = self._clock.now() + max(seconds, told * speed)
        signature = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
        self._permits[signature] = Permit(method, document.document_id, expires_at, told, content_encoding)
        query = urlencode(
            {
                "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
                "X-Amz-Credential": "AKIASIMULATED/us-east-1/s3/aws4_request",
                "X-Amz-Date": exact_time(self._clock.real()).replace("-", "").replace(":", "").split(".")[0] + "Z",
                "X-Amz-Expires": str(told),
                "X-Amz-SignedHeaders": "content-type;host" if method == "PUT" else "host",
                "X-Amz-Signature": signature,
            }
        )
        return f"{base_url}/documents/{document.document_id}?{query}"

    def permit(self, signature: str, method: str, document_id: str) -> tuple[Permit, Document] | None:
        """What *signature* allows, if it is one of ours and for this method and document."""
        permit = self._permits.get(signature)
        if permit is None or permit.method != method or permit.document_id != document_id:
            return None
        return permit, self._by_id[document_id]


def s3_error(status: int, code: str, message: str, **more: str) -> Answer:
    """An error as S3 writes it."""
    fields = {"Code": code, "Message": message, **more, "RequestId": secrets.token_hex(8).upper(), "HostId": "simulated"}
    inner = "".join(f"<{tag.replace('_', '-')}>{escape(text)}</{tag.replace('_', '-')}>" for tag, text in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


def signature_mismatch() -> Answer:
    return s3_error(
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    )


def expired(permit: Permit, clock: Clock) -> Answer:
    expires, now = exact_time(clock.real_at(permit.expires_at)), exact_time(clock.real())
    return s3_error(403, "AccessDenied", "Request has expired", X_Amz_Expires=str(permit.told_seconds), Expires=expires, ServerTime=now)


def failing(status: int) -> Answer:
    """S3's own trouble."""
    if status == 503:
        return s3_error(503, "SlowDown", "Please reduce your request rate.")
    return s3_error(500, "InternalError", "We encountered an internal error. Please try again.")
