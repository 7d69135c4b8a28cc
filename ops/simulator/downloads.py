"""What getFeedDocument and getReportDocument answer: a fresh URL of a document, good for five minutes."""

from __future__ import annotations

from ops.simulator.answers import Answer, JsonObject, Refusal, invalid_parameters
from ops.simulator.documents import Document
from ops.simulator.faults import Rule
from ops.simulator.operations import Request
from ops.simulator.world import World

_ENCODING_HEADER = "enableContentEncodingUrlHeader"


def answer(world: World, request: Request, id_name: str) -> Answer:
    """The URL of the document that the path parameter *id_name* names. Input documents can be read back, too."""
    document = world.documents.find(request.account, request.path[id_name])
    # Amazon's own client writes Python's True.
    asked = (request.one(_ENCODING_HEADER) or "false").lower()
    if asked not in {"true", "false"}:
        raise invalid_parameters()
    gone = world.faults.strike("document_gone", operation=request.operation, seller=request.account.seller_id)
    if document is None or not document.is_there or gone:
        raise Refusal(404, "NotFound", "The requested resource was not found.")
    is_gzip = document.is_gzip
    lie = world.faults.strike("gzip_flag_lies", operation=request.operation, seller=request.account.seller_id)
    if lie is not None:
        document, is_gzip = _lying(world, document, lie, request), lie.body != "gzip"
    encoding = "gzip" if is_gzip and asked == "true" else "identity"
    url = world.documents.sign(request.base_url, document, "GET", world.limits.url_seconds, content_encoding=encoding)
    shape: JsonObject = {id_name: request.path[id_name], "url": url}
    if is_gzip:
        shape["compressionAlgorithm"] = "GZIP"
    return Answer(200, shape)


def _lying(world: World, document: Document, rule: Rule, request: Request) -> Document:
    """A twin of *document* whose bytes are gzip (rule.body) or plain, whatever the flag will say."""
    twin = world.documents.create(request.account, document.content_type)
    if document.pieces is not None:
        twin.pieces = document.pieces
    else:
        twin.body = document.plain()
    if rule.body == "gzip":
        twin.archive()
    return twin
