"""Looking through feeds and reports: getFeeds and getReports take the same filters and give the same pages.

Source: schema/amazon/feeds_2021-06-30.json and reports_2021-06-30.json.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

import msgspec

from ops.simulator.answers import invalid_parameters
from ops.simulator.clock import parse_time
from ops.simulator.feed_queue import FeedStatus
from ops.simulator.operations import Request
from ops.simulator.quota import Account
from ops.simulator.world import World

_MAX_FILTERS = 10
_PAGE_SIZE = 10
_MAX_PAGE_SIZE = 100
_RETENTION_SECONDS = 90 * 86400
_BESIDE_TYPES = ("processingStatuses", "marketplaceIds", "pageSize", "createdSince", "createdUntil")


class Job(Protocol):
    """What is looked for: a feed or a report."""

    @property
    def account(self) -> Account: ...
    @property
    def kind(self) -> str: ...
    @property
    def marketplace_ids(self) -> Sequence[str]: ...
    @property
    def status(self) -> FeedStatus: ...
    @property
    def created_at(self) -> float: ...
    @property
    def sequence(self) -> int: ...


_Job = TypeVar("_Job", bound=Job)


class Search(msgspec.Struct, frozen=True):
    """The filters; a nextToken is this, encoded. `before`: sequence of the last job shown. Times are real seconds."""

    kinds: list[str]
    marketplace_ids: list[str]
    statuses: list[str]
    since: float
    until: float
    page_size: int
    before: int | None = None


def read(world: World, request: Request, types_name: str) -> Search:
    """The search that *request* asks for: the parameter *types_name* with filters, or nextToken alone."""
    refusal = invalid_parameters()
    token = request.one("nextToken")
    if token is not None:
        if any(request.query.get(name) for name in (types_name, *_BESIDE_TYPES)):
            raise refusal
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(token), type=Search)
        except (ValueError, msgspec.DecodeError):
            raise refusal from None
    kinds, marketplace_ids = request.many(types_name), request.many("marketplaceIds")
    if not 1 <= len(kinds) <= _MAX_FILTERS or len(marketplace_ids) > _MAX_FILTERS:
        raise refusal
    now = world.clock.real()
    return Search(
        kinds=kinds,
        marketplace_ids=marketplace_ids,
        statuses=request.choice("processingStatuses", frozenset(FeedStatus), refusal),
        since=_moment(request, "createdSince", now - _RETENTION_SECONDS),
        until=_moment(request, "createdUntil", now),
        page_size=request.integer("pageSize", _PAGE_SIZE, _MAX_PAGE_SIZE, refusal),
    )


def _moment(request: Request, name: str, default: float) -> float:
    text = request.one(name)
    if text is None:
        return default
    moment = parse_time(text)
    if moment is None:
        raise invalid_parameters()
    return moment


def page(world: World, account: Account, search: Search, jobs: Iterable[_Job]) -> tuple[list[_Job], str | None]:
    """One page of *jobs*, newest first, and the token of the next."""
    fitting = [
        job
        for job in jobs
        if job.account.seller_id == account.seller_id
        and job.account.region == account.region
        and job.kind in search.kinds
        and (not search.marketplace_ids or not set(search.marketplace_ids).isdisjoint(job.marketplace_ids))
        and (not search.statuses or job.status in search.statuses)
        and search.since <= world.clock.real_at(job.created_at) <= search.until
        and (search.before is None or job.sequence < search.before)
    ]
    fitting.sort(key=lambda job: -job.sequence)
    shown = fitting[: search.page_size]
    if len(fitting) == len(shown):
        return shown, None
    following = msgspec.structs.replace(search, before=shown[-1].sequence)
    return shown, base64.urlsafe_b64encode(msgspec.json.encode(following)).decode()
