"""Faults by script: what may go wrong, as a table, and the rules that say when it does."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec


class Kind(NamedTuple):
    """`options`: the fields of a rule that this kind reads, beside those that choose the moment."""

    says: str
    options: tuple[str, ...] = ()


# Each row is something that has been seen at Amazon, or that its documentation leaves open.
KINDS: Mapping[str, Kind] = {
    # Any operation; before a handler runs.
    "throttle": Kind("429 QuotaExceeded without a rate header and without any effect."),
    "error_before": Kind(
        "A 5xx before any effect; body is json (Amazon's), html, message (an API gateway's) or empty.", ("status", "body")
    ),
    "drop_before": Kind("The connection is cut before any effect."),
    "slow": Kind("Nothing happens for so many real seconds; then all goes its way.", ("seconds",)),
    "token_expired": Kind("403: the access token has expired, early."),
    "token_revoked": Kind("403: the access token is revoked, malformed or invalid."),
    "role_missing": Kind("403 with empty details: the application lacks the role for this operation."),
    # Any operation; after a handler ran.
    "error_after": Kind("A 5xx after the full effect: the feed exists, the listing is patched.", ("status", "body")),
    "slow_after": Kind("The effect is there at once, and its answer comes after so many real seconds.", ("seconds",)),
    "drop_after": Kind("The connection is cut after the full effect, before a byte of the answer."),
    # Login with Amazon.
    "refresh_revoked": Kind("LWA 400 invalid_grant: the seller withdrew the authorisation."),
    "client_invalid": Kind("LWA 401 invalid_client: the client secret was rotated or expired."),
    # The life of a feed; chosen when createFeed is called.
    "feed_stuck_in_queue": Kind("The feed stays IN_QUEUE for so many virtual seconds, or until it is released.", ("seconds",)),
    "feed_stuck_in_progress": Kind(
        "The feed stays IN_PROGRESS, and later feeds of that type wait behind it, for so many virtual seconds, or until "
        "it is released; then it is applied, late.",
        ("seconds",),
    ),
    "feed_cancelled": Kind("The feed ends CANCELLED without anybody's asking; nothing is applied."),
    "feed_fatal": Kind("The feed ends FATAL after none, some (each second message) or all was applied.", ("apply", "report")),
    "no_result_document": Kind("The feed ends DONE without a resultFeedDocumentId."),
    "feed_level_issue": Kind("The report has one issue without messageId, and zero counters; nothing is applied.", ("code", "message")),
    "counters_off": Kind("The report's counters say one message more than its issues and the feed do."),
    "items_left_out": Kind("The report has no items, though the feed asks for them."),
    "issue_for_unknown_message": Kind("The report has an ERROR for a messageId that was never sent."),
    "accepted_not_applied": Kind("Messages (of skus, or all) are accepted, and silently not applied.", ("skus",)),
    "getfeeds_lag": Kind("getFeeds does not show the feed for so many virtual seconds.", ("seconds",)),
    "duplicate_document_refused": Kind("400 for a second createFeed with the same document, instead of a second feed."),
    # Orders.
    "order_changes_between_pages": Kind("The order that the next page would begin with changes, and so leaves the window."),
    "order_repeated": Kind("A page of orders has one of them twice."),
    "pagination_token_expired": Kind("400 for a paginationToken, though it is young."),
    "personal_data_withheld": Kind("An order comes without names, addresses and e-mail; each rule counts orders, not calls."),
    # The life of a report; chosen when createReport is called.
    "report_stuck_in_queue": Kind("The report stays IN_QUEUE for so many virtual seconds, or until it is released.", ("seconds",)),
    "report_stuck_in_progress": Kind("The report stays IN_PROGRESS for so many virtual seconds, or until it is released.", ("seconds",)),
    "report_cancelled": Kind("The report ends CANCELLED, as when there is no data or it is asked for too often."),
    "report_fatal": Kind("The report ends FATAL, with a document that says why, or without.", ("report",)),
    "getreports_lag": Kind("getReports does not show the report for so many virtual seconds.", ("seconds",)),
    # Documents.
    "upload_error": Kind("S3 answers a PUT with 500 InternalError or 503 SlowDown; the object stays absent.", ("status",)),
    "download_error": Kind("S3 answers a GET with 500 InternalError or 503 SlowDown.", ("status",)),
    "download_html": Kind("A download is 200 with a page of HTML in place of the document."),
    "download_truncated": Kind(
        "A document ends early; body is length (fewer bytes than were announced), gzip (a stream without its end) or json (text cut off).",
        ("body",),
    ),
    "gzip_flag_lies": Kind("body is plain (GZIP is named, the bytes are plain) or gzip (the bytes are gzip, nothing is named).", ("body",)),
    "gzip_in_members": Kind("A gzip document comes as two gzip members, one behind the other, which is gzip all the same."),
    "document_gone": Kind("getFeedDocument answers 404: the document is past its retention."),
    "url_expired_early": Kind("A presigned URL is refused as expired though it is young."),
}

_BODIES = {
    "error_before": ("json", "html", "message", "empty"),
    "error_after": ("json", "html", "message", "empty"),
    "download_truncated": ("length", "gzip", "json"),
    "gzip_flag_lies": ("plain", "gzip"),
}


class Rule(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """When a fault strikes: the first `skip` calls that fit pass, then `count` are hit, each with `probability`.

    `operation` is an operation of an API, or token, uploadDocument or downloadDocument, which a rule hits only
    when it names them (or is of a kind that means only them). `feed_type` fits feeds only. `seed` makes
    chance repeatable.
    """

    kind: str
    operation: str | None = None
    seller: str | None = None
    feed_type: str | None = None
    count: int | Literal["always"] = 1
    skip: int = 0
    probability: float = 1.0
    seed: int | None = None
    status: int | None = None
    body: str | None = None
    seconds: float | None = None
    apply: Literal["none", "some", "all"] = "none"
    report: bool = False
    code: str | None = None
    message: str | None = None
    skus: list[str] | None = None
    id: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no kind of fault; GET /_simulator/faults/kinds lists them")
        bodies = _BODIES.get(self.kind)
        if bodies and self.body is not None and self.body not in bodies:
            raise ValueError(f"body of {self.kind} is one of {', '.join(bodies)}")
        if not 0 <= self.probability <= 1:
            raise ValueError("probability lies between 0 and 1")

    @property
    def is_spent(self) -> bool:
        return self.count != "always" and self.struck >= self.count


# What a rule that names no operation leaves alone.
_ONLY_WHEN_NAMED = frozenset({"token", "uploadDocument", "downloadDocument"})
_BELONGS_TO = {
    "refresh_revoked": "token",
    "client_invalid": "token",
    "upload_error": "uploadDocument",
    "download_error": "downloadDocument",
    "download_html": "downloadDocument",
    "download_truncated": "downloadDocument",
    "gzip_in_members": "downloadDocument",
}


class Faults:
    """The rules of a script, in the order given; the first that fits strikes."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - chance of a test, not of a cipher
        self._chances: dict[int, random.Random] = {}
        self.rules: list[Rule] = []
        self._next_id = 1

    def add(self, rule: Rule) -> Rule:
        rule.id = self._next_id
        self._next_id += 1
        self.rules.append(rule)
        if rule.seed is not None:
            self._chances[rule.id] = random.Random(rule.seed)  # noqa: S311
        return rule

    def remove(self, rule_id: int | None = None) -> int:
        """Forget one rule, or all; say how many."""
        before = len(self.rules)
        self.rules = [rule for rule in self.rules if rule_id is not None and rule.id != rule_id]
        return before - len(self.rules)

    def strike(self, kind: str, *, operation: str, seller: str | None = None, feed_type: str | None = None) -> Rule | None:
        """The rule of *kind* that hits this call, counted as used; or None."""
        for rule in self.rules:
            if rule.kind != kind or rule.is_spent or not _fits(rule, operation, seller, feed_type):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.probability < 1 and self._chances.get(rule.id, self._random).random() >= rule.probability:
                continue
            rule.struck += 1
            return rule
        return None


def _fits(rule: Rule, operation: str, seller: str | None, feed_type: str | None) -> bool:
    if rule.operation is None:
        if operation in _ONLY_WHEN_NAMED and _BELONGS_TO.get(rule.kind) != operation and rule.kind != "url_expired_early":
            return False
    elif rule.operation != operation:
        return False
    return rule.seller in {None, seller} and rule.feed_type in {None, feed_type}
