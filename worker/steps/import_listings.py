"""Import listings: ask Amazon for its report, wait for it, and take in what it says; what did not change is not written.

The run's cursor tells where it is: `{}` nothing asked for · `asked_at` createReport may have been called · `report_id` it was ·
`document_id` the report is done. Requirement rows R20 to R30; complaint 24.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from worker.amazon.reports import AmazonReport, Download
from worker.context import Context
from worker.core.connections import Connection, from_amazon
from worker.core.issues import issue
from worker.core.json import JsonObject
from worker.core.listings_report import REPORT_TYPE, Broken, Part, Row, Unreadable, beginning, read
from worker.core.polling import LOOKS, look_after, poll_after, retry_after
from worker.core.runs import MOST_ATTEMPTS, Again, Done, Failed, StepResult
from worker.database import Transaction
from worker.errors import AmazonError, Later, NotSent, Unclear
from worker.store import imported_listings, runs, shipments
from worker.store.imported_listings import MOST_BROKEN_LINES, BrokenLine, StagedListing
from worker.store.runs import Run

log = structlog.get_logger()

LONGEST_WAIT: Final = timedelta(hours=24)
"""For a report. Amazon takes minutes, at bad times hours."""

MOST_ASKS: Final = 3
"""Calls of createReport without an answer."""

MOST_DOWNLOADS: Final = 5
"""A document that came broken so often does not get better."""

CLOCKS_DIFFER: Final = timedelta(minutes=30)
"""How far Amazon's clock may be behind ours, when its list is asked for what is newer than our question."""

DEAD: Final = frozenset({"CANCELLED", "FATAL"})

LINES_AT_ONCE: Final = 20_000
PARTS_AT_ONCE: Final = 64
"""Of a quarter of a megabyte each: what is staged in one transaction is bounded by lines and by bytes."""

KEEP_SECONDS: Final = 10
"""How often a long step says that it is still at it, and how far."""

STATEMENT_SECONDS: Final = 600
"""How long a statement over millions of listings may take before another worker may begin anew."""

SHOWN: Final = ("lines", "listings", "added", "changed", "returned", "vanished", "duplicates", "broken_lines", "damaged_titles")


def import_listings(ctx: Context, run: Run, connection: Connection) -> StepResult:
    """Take the next step of an import."""
    if "document_id" in run.cursor:
        return _take_in(ctx, run, connection)
    if "report_id" in run.cursor:
        return _poll(ctx, run, connection)
    if "asked_at" in run.cursor:
        return _look(ctx, run, connection)
    return _ask(ctx, run, connection)


# --- asking ---------------------------------------------------------------------------------------------------------------------


def _ask(ctx: Context, run: Run, connection: Connection) -> StepResult:
    """Ask for a report. That it was asked for is stored before the call: whoever comes after a lost answer looks first."""
    asks, unsent = run.cursor.get("asks", 0) + 1, run.cursor.get("unsent", 0) + 1
    if asks > MOST_ASKS:
        return _failed("REPORT_NOT_MADE", {}, limit=MOST_ASKS)
    asked: JsonObject = {"asked_at": ctx.clock.now().isoformat(), "asks": asks}
    with ctx.database.begin() as tx:
        runs.note(tx, run, cursor=asked, summary={})
    try:
        report_id = ctx.amazon.create_report(connection.seller, REPORT_TYPE)
    except Later:
        with ctx.database.begin() as tx:
            runs.note(tx, run, cursor={"asks": asks - 1})  # it was not asked for
        raise
    except NotSent as not_sent:
        if unsent == MOST_ATTEMPTS:
            return Failed(str(not_sent), {})
        return Again(cursor={"asks": asks - 1, "unsent": unsent}, summary={}, due_in=retry_after(unsent))
    except Unclear:
        return Again(cursor=asked, summary={}, due_in=look_after(0, ctx.settings.feed_poll_seconds))
    log.info("report_requested", run_id=run.id, report_id=report_id)
    return Again(cursor={"report_id": report_id}, summary={"report_id": report_id})


def _look(ctx: Context, run: Run, connection: Connection) -> StepResult:
    """After a lost answer: take up any report that is new enough, for a listings report is the same whoever asked for it."""
    asked_at = datetime.fromisoformat(run.cursor["asked_at"])
    listed = ctx.amazon.get_reports(connection.seller, REPORT_TYPE, asked_at - CLOCKS_DIFFER)
    found = [each for each in listed if each.processing_status not in DEAD or each.created_time >= asked_at]
    if found:
        report = max(found, key=lambda each: (each.processing_status not in DEAD, each.created_time))
        log.info("report_adopted", run_id=run.id, report_id=report.report_id)
        return Again(cursor={"report_id": report.report_id}, summary={"report_id": report.report_id})
    looks = run.cursor.get("looks", 0) + 1
    if looks == len(LOOKS):
        return Again(cursor={"asks": run.cursor["asks"]}, summary={})
    return Again(cursor={**run.cursor, "looks": looks}, summary={}, due_in=look_after(looks, ctx.settings.feed_poll_seconds))


# --- waiting --------------------------------------------------------------------------------------------------------------------


def _poll(ctx: Context, run: Run, connection: Connection) -> StepResult:
    """Ask how far the report is. Its three ends are three results: only a report that is DONE says anything of listings."""
    report = ctx.amazon.get_report(connection.seller, run.cursor["report_id"])
    summary = {"report_id": report.report_id, "report_status": report.processing_status}
    match report.processing_status:
        case "DONE" if report.report_document_id is not None:
            return Again(cursor={"report_id": report.report_id, "document_id": report.report_document_id}, summary=summary)
        case "CANCELLED":
            return _failed("REPORT_CANCELLED", summary, value=report.report_id)
        case "FATAL":
            return _failed("REPORT_FATAL", summary, value=report.report_id, reason=_told(ctx, connection, report))
    if ctx.clock.now() - run.started_at > LONGEST_WAIT:
        return _failed("REPORT_OVERDUE", summary, value=report.report_id, limit=LONGEST_WAIT // timedelta(hours=1))
    polls = run.cursor.get("polls", 0)
    cursor = {"report_id": report.report_id, "polls": polls + 1}
    return Again(cursor=cursor, summary=summary, due_in=poll_after(polls, ctx.settings.feed_poll_seconds))


def _told(ctx: Context, connection: Connection, report: AmazonReport) -> str:
    """Return what the document of a FATAL report tells, if it has one that can be read now: ": no reason could be worse"."""
    if report.report_document_id is None:
        return ""
    try:
        with ctx.amazon.report_document(connection.seller, report.report_document_id) as download:
            return f": {beginning(download.chunks)}"
    except (AmazonError, Unreadable):
        return ""


def _failed(code: str, summary: JsonObject, *, value: str | None = None, **words: object) -> Failed:
    found = issue(code, field=None, value=value, **words)
    return Failed(f"{found.code}: {found.message} {found.remedy}", summary)


# --- taking in ------------------------------------------------------------------------------------------------------------------


def _take_in(ctx: Context, run: Run, connection: Connection) -> StepResult:
    """Stage the whole document, then merge it. Until it has proved to be whole, nothing that was known is touched."""
    downloads, broke_off = run.cursor.get("downloads", 0) + 1, run.cursor.get("broke_off", 0)
    if downloads > MOST_DOWNLOADS:
        if broke_off == MOST_DOWNLOADS:
            return _failed("REPORT_TRUNCATED", run.summary, reason=f"its download broke off {MOST_DOWNLOADS} times")
        return _failed("REPORT_ABANDONED", run.summary, value=str(run.cursor["report_id"]), limit=MOST_DOWNLOADS, reason=broke_off)
    cursor = {**run.cursor, "downloads": downloads}
    try:
        with ctx.database.session() as session:
            with ctx.amazon.report_document(connection.seller, run.cursor["document_id"]) as download:
                with ctx.database.begin() as tx:
                    runs.note(tx, run, cursor=cursor)  # a worker that dies of this document has tried it
                summary, broken = stage(ctx, run, connection, session, download)
            if not summary["lines"]:
                return _failed("REPORT_EMPTY", summary, value=str(run.cursor["report_id"]))
            if summary["lines"] == summary["broken_lines"]:
                return _failed("REPORT_UNREADABLE", summary, reason=f"none of its {summary['lines']} lines can be read")
            return Done(merge(ctx, run, connection, session, summary, broken))
    except Unreadable as unreadable:
        if downloads == MOST_DOWNLOADS:
            return Failed(str(unreadable), run.summary)
        reason = unreadable.issue.code
    except Unclear as unclear:
        if run.cursor != cursor:  # it did not begin
            raise
        reason = unclear.reason
    log.warning("report_download_failed", run_id=run.id, reason=reason)
    return Again(cursor={**cursor, "broke_off": broke_off + 1}, summary=run.summary, due_in=retry_after(downloads))


def stage(
    ctx: Context, run: Run, connection: Connection, session: Transaction, download: Download
) -> tuple[dict[str, Any], list[BrokenLine]]:
    """Stage a document as it comes, and return what is known of it. Raises: Unreadable, Unclear, Overtaken."""
    with session.begin():
        imported_listings.stage_begin(session)
    lines = damaged = broken_lines = 0
    broken: list[BrokenLine] = []
    for part in _gathered(read(_kept(ctx, run, download.chunks), charset=download.charset, country=connection.marketplace.country)):
        with session.begin():
            imported_listings.stage(session, _staged(part.rows, connection), _mentions(part.broken, connection))
        lines += len(part.rows) + len(part.broken)
        damaged += sum(row.is_damaged for row in part.rows)
        broken_lines += len(part.broken)
        broken += (BrokenLine(each.line, each.flaw, each.text) for each in part.broken[: MOST_BROKEN_LINES - len(broken)])
        run.summary = {**run.summary, "lines": lines}
    _keep(ctx, run, STATEMENT_SECONDS)
    with session.begin():
        listings = imported_listings.stage_end(session)
    counts = {
        "lines": lines,
        "listings": listings,
        "duplicates": lines - broken_lines - listings,
        "broken_lines": broken_lines,
        "damaged_titles": damaged,
    }
    return {**run.summary, **counts}, broken


def _kept(ctx: Context, run: Run, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield *chunks*, and keep the run meanwhile by the clock: however slowly they come, nobody else begins anew."""
    kept_at = ctx.clock.monotonic()
    for chunk in chunks:
        if ctx.clock.monotonic() - kept_at > KEEP_SECONDS:
            _keep(ctx, run)
            kept_at = ctx.clock.monotonic()
        yield chunk


def _keep(ctx: Context, run: Run, seconds: int = runs.CLAIM_SECONDS) -> None:
    with ctx.database.begin() as tx:
        runs.note(tx, run, claim_seconds=seconds)


def _gathered(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield *parts* joined to more lines at once: each is a transaction."""
    gathered, count = Part([], []), 0
    for part in parts:
        gathered.rows.extend(part.rows)
        gathered.broken.extend(part.broken)
        count += 1
        if count == PARTS_AT_ONCE or len(gathered.rows) + len(gathered.broken) >= LINES_AT_ONCE:
            yield gathered
            gathered, count = Part([], []), 0
    yield gathered


def _staged(rows: Sequence[Row], connection: Connection) -> Iterable[StagedListing]:
    """Return *rows* as the upstream knows them, with what the connection saves of them."""
    prefix, saves_titles = connection.settings.sku_prefix, _saves_titles(connection)
    if saves_titles and not prefix:
        return rows
    return (
        (line, from_amazon(sku, prefix), title if saves_titles else None, is_damaged and saves_titles)
        for line, sku, title, is_damaged in rows
    )


def _mentions(broken: Sequence[Broken], connection: Connection) -> set[str]:
    prefix = connection.settings.sku_prefix
    return {from_amazon(cell, prefix) for line in broken for cell in line.mentions}


def _saves_titles(connection: Connection) -> bool:
    return "Title" in connection.settings.import_listings.save


def merge(
    ctx: Context, run: Run, connection: Connection, session: Transaction, staged: Mapping[str, Any], broken: Iterable[BrokenLine]
) -> dict[str, Any]:
    """Write what differs, batch by batch, and return the summary. The run is noted in each transaction: who was overtaken writes nothing.

    What an attempt that died has written is counted with it.
    """
    summary = {**staged, **{name: run.summary.get(name, 0) for name in ("added", "changed", "returned", "vanished")}}
    with session.begin():
        batches = imported_listings.batches(session)
    for first_page in batches:
        with session.begin():
            merged = imported_listings.merge(session, connection.id, first_page, titles=_saves_titles(connection))
            summary |= {name: summary[name] + number for name, number in merged._asdict().items()}
            runs.note(session, run, summary=summary)
    _keep(ctx, run, STATEMENT_SECONDS)
    with session.begin():
        # All at once, and only after all that is there has been merged: a crash leaves nothing half marked.
        summary["vanished"] += imported_listings.mark_vanished(session, connection.id)
        imported_listings.keep_broken_lines(session, run.id, broken)
        runs.note(session, run, summary=summary)
    with ctx.database.begin() as tx:
        shipments.reconsider(tx, connection.id)
    log.info("listings_imported", run_id=run.id, connection=connection.name, **{name: summary[name] for name in SHOWN})
    return summary
