"""Reports and their lives. Source: Reports API 2021-06-30.

Nothing runs in the background: `settle` brings every report to where the virtual clock says it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ops.simulator.faults import Rule
from ops.simulator.feed_queue import FeedStatus, held
from ops.simulator.limits import Limits
from ops.simulator.quota import Account


@dataclass(slots=True)
class Report:
    """Times are virtual seconds. Feeds and reports have the same statuses. `faults`: rules that struck when it was created."""

    report_id: str
    account: Account
    report_type: str
    marketplace_ids: list[str]
    options: Mapping[str, str]
    created_at: float
    faults: dict[str, Rule]
    data_start: str | None = None
    data_end: str | None = None
    status: FeedStatus = FeedStatus.IN_QUEUE
    started_at: float | None = None
    ended_at: float | None = None
    released_at: float | None = None
    document_id: str | None = None
    sequence: int = 0

    @property
    def kind(self) -> str:
        return self.report_type


class ReportQueue:
    """Every report that was asked for. They do not wait for each other."""

    def __init__(self, finish: Callable[[Report], FeedStatus]) -> None:
        """*finish*: write a report's document, and say how it ended."""
        self._finish = finish
        self._reports: dict[tuple[str, str], Report] = {}
        self._next_id = 50_039_018_869

    def add(self, account: Account, report_type: str, marketplace_ids: list[str], *, now: float, faults: dict[str, Rule]) -> Report:
        report = Report(str(self._next_id), account, report_type, marketplace_ids, {}, now, faults, sequence=len(self._reports))
        self._next_id += 7
        self._reports[account.seller_id, report.report_id] = report
        return report

    def find(self, seller_id: str, report_id: str) -> Report | None:
        return self._reports.get((seller_id, report_id))

    def __iter__(self) -> Iterator[Report]:
        return iter(self._reports.values())

    def cancel(self, report: Report, now: float) -> bool:
        """Take a report out of its queue; False once it has left it."""
        if report.status is not FeedStatus.IN_QUEUE:
            return False
        report.status, report.ended_at = FeedStatus.CANCELLED, now
        return True

    def settle(self, now: float, limits: Limits) -> None:
        """Bring every report to the virtual instant *now*."""
        for report in self._reports.values():
            if report.ended_at is None:
                self._advance(report, now, limits)

    def _advance(self, report: Report, now: float, limits: Limits) -> None:
        if report.started_at is None:
            starts = held(report, "report_stuck_in_queue", report.created_at, report.created_at + limits.report_queue_seconds)
            if starts > now:
                return
            report.status, report.started_at = FeedStatus.IN_PROGRESS, starts
        ends = held(report, "report_stuck_in_progress", report.started_at, report.started_at + limits.report_processing_seconds)
        if ends <= now:
            report.ended_at = ends
            report.status = self._finish(report)
