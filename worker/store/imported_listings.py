"""Listings that Amazon reported for a connection: staged whole, then merged so that only what differs is written.

A report is staged in temporary tables of one session, which nobody else sees and which are gone with it; what is merged from them
is right in each batch by itself, and harmless when it is repeated. Requirement rows R6, R22, R28, R112.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from worker.database import Transaction
from worker.store.copying import copy_rows

PAGES_PER_BATCH: Final = 1_024
"""8 MiB of the staged table, some 100,000 listings: a second or two of work in one transaction."""

MOST_BROKEN_LINES: Final = 1_000
"""Kept of one run. The run's summary has the count of them all."""

AT_ONCE: Final = 5_000


StagedListing = tuple[int, str, str | None, bool]
"""A line of the report: its number (of two with one SKU the later counts), the SKU without the prefix, the title, whether it is damaged."""


class BrokenLine(NamedTuple):
    line: int
    flaw: str
    text: str


class Merged(NamedTuple):
    """How many rows were written, by what was done to them; the others were as they are."""

    added: int = 0
    changed: int = 0
    returned: int = 0


class Listing(NamedTuple):
    sku: str
    title: str | None


# --- staging --------------------------------------------------------------------------------------------------------------------


def stage_begin(session: Transaction) -> None:
    """Make the session's tables for a report, empty. Their sessions must not go back into a pool."""
    session.exec_driver_sql("SET LOCAL client_min_messages = warning")
    session.exec_driver_sql("DROP TABLE IF EXISTS pg_temp.report_line, pg_temp.report_mention, pg_temp.report_listing")
    session.exec_driver_sql('CREATE TEMP TABLE report_line (line integer, sku text COLLATE "C", title text, title_damaged boolean)')
    session.exec_driver_sql('CREATE TEMP TABLE report_mention (sku text COLLATE "C")')


def stage(session: Transaction, listings: Iterable[StagedListing], mentions: Iterable[str]) -> None:
    """Add lines of the report. *mentions*: what may be the SKU of a broken line: no listing of that name has vanished."""
    copy_rows(session, "report_line (line, sku, title, title_damaged)", listings)
    copy_rows(session, "report_mention (sku)", ((sku,) for sku in mentions))


def stage_end(session: Transaction) -> int:
    """Choose the last line of each SKU, and return how many SKUs there are."""
    _expect_many(session)
    session.exec_driver_sql(
        "CREATE TEMP TABLE report_listing AS SELECT DISTINCT ON (sku) sku, title, title_damaged FROM report_line ORDER BY sku, line DESC"
    )
    session.exec_driver_sql("ANALYZE report_listing")
    return int(session.exec_driver_sql("SELECT count(*) FROM report_listing").scalar_one())


def _expect_many(session: Transaction) -> None:
    """Let the rest of the transaction sort and join millions of rows.

    Postgres takes a table that was filled a moment ago for a small one, and would compare 50,000 listings with 50,000 one by one:
    five minutes instead of one second.
    """
    session.exec_driver_sql("SET LOCAL work_mem = '64MB'")
    session.exec_driver_sql("SET LOCAL enable_nestloop = off")


# --- merging --------------------------------------------------------------------------------------------------------------------


def batches(session: Transaction) -> Sequence[int]:
    """Return where the batches of what is staged begin: give each to `merge`."""
    pages = session.exec_driver_sql("SELECT pg_relation_size('pg_temp.report_listing') / current_setting('block_size')::int").scalar_one()
    return range(0, int(pages), PAGES_PER_BATCH)


_BOUNDS: Final = """
    SELECT min(sku), max(sku) FROM report_listing WHERE ctid >= %(from)s::tid AND ctid < %(to)s::tid"""

# What differs is found by a join, not by the conflict: ON CONFLICT locks every row that it meets, which writes to it.
# A title that is missing, or that an encoding has damaged, is no reason to forget a good one. What was damaged tells itself: the good
# one has the same characters, but for those that "?" or U+FFFD stand for.
_MERGE: Final = r"""
    WITH differing AS (
        SELECT new.sku, wanted.title, wanted.title_damaged, old.sku IS NULL AS is_added, old.vanished_at IS NOT NULL AS is_returned
          FROM report_listing new
          LEFT JOIN imported_listing old
            ON old.connection_id = %(connection)s AND old.sku = new.sku AND old.sku BETWEEN %(lowest)s AND %(highest)s
         CROSS JOIN LATERAL (
               SELECT %(titles)s AND old.title IS NOT NULL AND (new.title IS NULL OR new.title_damaged AND NOT old.title_damaged
                  AND old.title LIKE translate(regexp_replace(new.title, '([\\%%_])', '\\\1', 'g'), U&'?\FFFD', '_%%')) AS keeps
               ) AS kept
         CROSS JOIN LATERAL (
               SELECT CASE WHEN keeps THEN old.title ELSE new.title END AS title,
                      CASE WHEN keeps THEN old.title_damaged ELSE new.title_damaged END AS title_damaged
               ) AS wanted
         WHERE new.ctid >= %(from)s::tid AND new.ctid < %(to)s::tid
           AND (old.sku IS NULL OR old.vanished_at IS NOT NULL OR old.title IS DISTINCT FROM wanted.title
                OR old.title_damaged <> wanted.title_damaged)),
    written AS (
        INSERT INTO imported_listing (connection_id, sku, title, title_damaged, first_seen_at, updated_at)
        SELECT %(connection)s, sku, title, title_damaged, now(), now() FROM differing ORDER BY sku
        ON CONFLICT (connection_id, sku) DO UPDATE
           SET title = excluded.title, title_damaged = excluded.title_damaged, updated_at = now(), vanished_at = NULL)
    SELECT count(*) FILTER (WHERE is_added), count(*) FILTER (WHERE NOT is_added AND NOT is_returned), count(*) FILTER (WHERE is_returned)
      FROM differing"""


def merge(session: Transaction, connection_id: int, first_page: int, *, titles: bool) -> Merged:
    """Merge one batch of what is staged, and return what was written. *titles*: whether the connection saves them."""
    where = {"from": f"({first_page},0)", "to": f"({first_page + PAGES_PER_BATCH},0)"}
    lowest, highest = session.exec_driver_sql(_BOUNDS, where).one()
    if lowest is None:
        return Merged()
    _expect_many(session)
    values = {**where, "connection": connection_id, "lowest": lowest, "highest": highest, "titles": titles}
    return Merged(*session.exec_driver_sql(_MERGE, values).one())


def mark_vanished(session: Transaction, connection_id: int) -> int:
    """Mark the listings that the whole staged report has no more, all at once, and return how many."""
    _expect_many(session)
    return session.exec_driver_sql(
        "UPDATE imported_listing old SET vanished_at = now(), updated_at = now() WHERE connection_id = %s AND vanished_at IS NULL "
        "AND NOT EXISTS (SELECT FROM report_listing new WHERE new.sku = old.sku) "
        "AND NOT EXISTS (SELECT FROM report_mention named WHERE named.sku = old.sku)",
        (connection_id,),
    ).rowcount


def keep_broken_lines(tx: Transaction, run_id: int, lines: Iterable[BrokenLine]) -> None:
    """Keep the broken lines of a run's report, in place of what an earlier attempt has kept."""
    tx.exec_driver_sql("DELETE FROM broken_line WHERE run_id = %s", (run_id,))
    copy_rows(tx, "broken_line (run_id, line, flaw, text)", ((run_id, *line) for line in lines))


# --- reading --------------------------------------------------------------------------------------------------------------------


def listed(tx: Transaction, connection_id: int, *, after: str | None = None, at_most: int = AT_ONCE) -> list[Listing]:
    """Return the listings of a connection that have not vanished, in the order of their SKUs, those behind *after*."""
    rows = tx.exec_driver_sql(
        "SELECT sku, title FROM imported_listing WHERE connection_id = %s AND vanished_at IS NULL AND (%s::text IS NULL OR sku > %s) "
        "ORDER BY sku LIMIT %s",
        (connection_id, after, after, at_most),
    )
    return [Listing(*row) for row in rows]


def broken_lines(tx: Transaction, connection_id: int) -> list[BrokenLine]:
    """Return the kept broken lines of the connection's newest import that has any run through."""
    rows = tx.exec_driver_sql(
        "SELECT line, flaw, text FROM broken_line WHERE run_id = "
        "(SELECT max(id) FROM run WHERE connection_id = %s AND kind = 'import-listings' AND state = 'done') ORDER BY line",
        (connection_id,),
    )
    return [BrokenLine(*row) for row in rows]


# The same expression as that of the indexes imported_listing_folded and listing_folded.
_FOLDED: Final = r"lower(translate({}, E' \u00a0\u3000', ''))"
_NEAR_MISSES: Final = f"""
    SELECT DISTINCT ON (asked.sku) asked.sku, listed.sku
      FROM unnest(%(skus)s::text[]) AS asked (sku)
     CROSS JOIN LATERAL (
           SELECT sku FROM imported_listing l
            WHERE l.connection_id = %(connection)s AND {_FOLDED.format("l.sku")} = {_FOLDED.format("asked.sku")} AND l.vanished_at IS NULL
            UNION ALL
           SELECT sku FROM listing l
            WHERE l.connection_id = %(connection)s AND {_FOLDED.format("l.sku")} = {_FOLDED.format("asked.sku")} AND l.linked_at IS NOT NULL
           ) AS listed
     WHERE NOT EXISTS (SELECT FROM imported_listing exact WHERE exact.connection_id = %(connection)s
                          AND exact.sku = asked.sku AND exact.vanished_at IS NULL) AND listed.sku <> asked.sku
     ORDER BY asked.sku, listed.sku"""


def near_misses(tx: Transaction, connection_id: int, skus: Sequence[str]) -> dict[str, str]:
    """Return, for those of *skus* that are not listed, a SKU that was imported or linked and differs only by case or spaces (R6, R112)."""
    rows = tx.exec_driver_sql(_NEAR_MISSES, {"skus": list(skus), "connection": connection_id})
    return {row[0]: row[1] for row in rows}
