"""Feed documents and processing reports: presigned URLs, which are credentials and take none of ours.

Source: Amazon's "Feeds API v2021-06-30 use case guide": bytes go up uncompressed; results may be gzip, whatever the flag says.
"""

import re
import zlib
from http import HTTPStatus
from typing import Final

import msgspec
import urllib3

from worker.amazon.feeds import API
from worker.amazon.gateway import Call, Gateway
from worker.amazon.http import USER_AGENT, Answer
from worker.core.accounts import Seller
from worker.core.json import decode
from worker.errors import Refused, Unclear
from worker.secrets import Secret
from worker.settings import MIB

TIMEOUT: Final = urllib3.Timeout(connect=20, read=60)
"""urllib3 lets sending a body take as long as connecting: 10 MiB on a slow line, or to an S3 that pauses, need more than 3 s."""

MOST_RESULT_BYTES: Final = 256 * MIB
"""Unpacked. 25,000 listings with offers and availability have about 40 MiB."""

_GZIP: Final = b"\x1f\x8b"
_S3_CODE: Final = re.compile(rb"<Code>(\w{1,80})</Code>")


class _ResultDocument(msgspec.Struct, rename="camel"):
    url: str


class Documents(Gateway):
    """Every call raises what `Gateway` says; uploads and downloads have no quota and may be repeated."""

    def upload(self, url: Secret, body: bytes, content_type: str) -> None:
        """Put a feed's document where createFeedDocument said. *content_type*: as it was told there, to the letter.

        Raises: Refused (403, `AccessDenied`) when the URL is older than five minutes: ask for a new document.
        """
        headers = {"content-type": content_type, "user-agent": USER_AGENT}
        _check("uploadDocument", self._http.send("uploadDocument", "PUT", url.reveal(), headers=headers, body=body, timeout=TIMEOUT))

    def get_result(self, seller: Seller, result_document_id: str) -> bytes:
        """Return a feed's processing report, unpacked.

        Raises: Unclear when a part of it is missing: download it again, and decide nothing from the part.
        """
        document = self._call(seller.account, Call("getFeedDocument", "GET", (*API, "documents", result_document_id)), _ResultDocument)
        headers = {"user-agent": USER_AGENT}
        answer = self._http.send("downloadDocument", "GET", document.url, headers=headers, timeout=TIMEOUT, most_bytes=MOST_RESULT_BYTES)
        _check("downloadDocument", answer)
        return _whole(_unpacked(answer.body))


def _check(operation: str, answer: Answer) -> None:
    if answer.status == HTTPStatus.OK:
        return
    if not HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unclear(operation, "S3 failed", status=answer.status)
    code = _S3_CODE.search(answer.body[:4096])
    raise Refused(operation, "S3 refuses the URL", code=code[1].decode() if code else "Unknown", status=answer.status)


def _unpacked(content: bytes) -> bytes:
    """Return *content* without gzip, told by its first bytes; a stream may have several members. Raises Unclear when it ends early."""
    if not content.startswith(_GZIP):
        return content
    unpacked = bytearray()
    while content.startswith(_GZIP):
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            unpacked += unpacker.decompress(content, MOST_RESULT_BYTES + 1 - len(unpacked))
        except zlib.error:
            raise Unclear("downloadDocument", "the gzip stream is broken") from None
        if len(unpacked) > MOST_RESULT_BYTES:
            raise Refused(
                "downloadDocument", f"unpacked, it has more than {MOST_RESULT_BYTES} bytes", code="ANSWER_TOO_LARGE", status=HTTPStatus.OK
            )
        if not unpacker.eof:
            raise Unclear("downloadDocument", "the gzip stream ends early")
        content = unpacker.unused_data
    return bytes(unpacked)


def _whole(report: bytes) -> bytes:
    """Return *report* if it is all there: JSON that can be read, or XML that ends with a tag. Raises Unclear."""
    text = report.removeprefix(b"\xef\xbb\xbf").strip()
    if text.startswith(b"<"):
        is_whole = text.endswith(b">")
    else:
        try:
            is_whole = isinstance(decode(text), dict)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            is_whole = False
    if not is_whole:
        raise Unclear("downloadDocument", "the report is not whole")
    return text
