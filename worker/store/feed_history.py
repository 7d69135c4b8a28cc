"""Reading feeds: lists of them, one with the way it has gone, its document and Amazon's report."""

from collections.abc import Sequence
from typing import Any, Final

from worker.core.states import FeedState
from worker.core.trace import shown_issue, shown_value
from worker.database import Transaction
from worker.store import codec

FIRST_MESSAGES: Final = 20
"""Feed messages that `show` lists: those that Amazon did not simply accept go first."""

_COLUMNS: Final = """
    f.id, f.amazon_feed_id, c.name, f.kind, f.feed_type, f.state, f.due_at IS NULL, f.messages, f.accepted, f.rejected, f.undecided,
    f.document_bytes, f.created_at, f.submitted_at, f.changed_at, extract(epoch FROM now() - f.created_at)::float8, f.split_id IS NOT NULL,
    f.due_at, f.attempts, f.unclear_since, f.fault, f.amazon_document_id, f.result_document_id, length(f.document), f.report IS NOT NULL,
    f.batch
  FROM feed f JOIN connection c ON c.id = f.connection_id"""

_LIST: Final = f"""
    SELECT {_COLUMNS}
     WHERE (%(connection)s::text IS NULL OR c.name = %(connection)s) AND (%(state)s::text IS NULL OR f.state = %(state)s)
     ORDER BY f.id DESC LIMIT %(most)s"""

UNLIMITED: Final = 2**62


def listed(tx: Transaction, *, connection: str | None, state: FeedState | None, at_most: int | None) -> list[dict[str, Any]]:
    """Return feeds as plain JSON values, the newest first."""
    given = {"connection": connection, "state": state, "most": UNLIMITED if at_most is None else at_most}
    return [_feed(row) for row in tx.exec_driver_sql(_LIST, given)]


def found(tx: Transaction, id_: str) -> list[int]:
    """Return the feeds that have the id, ours or Amazon's; Amazon's is unique within a seller only."""
    ours = int(id_) if id_.isascii() and id_.isdigit() and len(id_) <= 18 else None
    rows = tx.exec_driver_sql("SELECT id FROM feed WHERE id = %s OR amazon_feed_id = %s ORDER BY id DESC", (ours, id_))
    return [row[0] for row in rows]


def shown(tx: Transaction, feed_id: int) -> dict[str, Any]:
    """Return one feed as plain JSON values, with `events` and its first `feed_messages`."""
    (row,) = tx.exec_driver_sql(f"SELECT {_COLUMNS} WHERE f.id = %s", (feed_id,)).all()
    return {**_feed(row), "events": _events(tx, feed_id), "feed_messages": _messages(tx, feed_id, accepted=_word(row))}


def document(tx: Transaction, feed_id: int) -> bytes:
    """Return the document as it was uploaded, still compressed."""
    return bytes(tx.exec_driver_sql("SELECT document FROM feed WHERE id = %s", (feed_id,)).scalar_one())


def report(tx: Transaction, feed_id: int) -> bytes | None:
    """Return Amazon's processing report, still compressed; None while there is none."""
    kept = tx.exec_driver_sql("SELECT report FROM feed WHERE id = %s", (feed_id,)).scalar_one()
    return None if kept is None else bytes(kept)


def _feed(row: Sequence[Any]) -> dict[str, Any]:
    (id_, amazon_feed_id, connection, kind, feed_type, state, is_over, messages, accepted, rejected, undecided) = row[:11]
    (document_bytes, created_at, submitted_at, changed_at, age_seconds, is_again, due_at, attempts, unclear_since, fault) = row[11:21]
    amazon_document_id, result_document_id, stored_bytes, has_report, batch = row[21:]
    return {
        "feed_id": id_,
        "amazon_feed_id": amazon_feed_id,
        "connection": connection,
        "kind": kind,
        "batch": batch,
        "feed_type": feed_type,
        "state": state,
        "is_over": is_over,
        "messages": messages,
        "accepted": accepted,
        "rejected": rejected,
        "undecided": undecided,
        "age_seconds": round(age_seconds, 3),
        "created_at": created_at,
        "submitted_at": submitted_at,
        "changed_at": changed_at,
        "due_at": due_at,
        "attempts": attempts,
        "unclear_since": unclear_since,
        "sends_undecided_again": is_again,
        "fault": fault,
        "document_bytes": document_bytes,
        "stored_bytes": stored_bytes,
        "amazon_document_id": amazon_document_id,
        "result_document_id": result_document_id,
        "has_report": has_report,
    }


def _word(row: Sequence[Any]) -> str | None:
    """Return the verdict of feed messages without one of their own: accepted, once the feed has its end."""
    return "accepted" if row[6] else None


def _events(tx: Transaction, feed_id: int) -> list[dict[str, Any]]:
    rows = tx.exec_driver_sql("SELECT at, state, note FROM feed_event WHERE feed_id = %s ORDER BY at", (feed_id,))
    return [{"at": at, "state": state, "note": note} for at, state, note in rows]


def _messages(tx: Transaction, feed_id: int, *, accepted: str | None) -> list[dict[str, Any]]:
    rows = tx.exec_driver_sql(
        "SELECT message_id, key, flight::text, verdict, issues::text FROM feed_message WHERE feed_id = %s "
        "ORDER BY verdict IS NULL OR verdict LIKE 'accepted%%', message_id LIMIT %s",
        (feed_id, FIRST_MESSAGES),
    )
    return [
        {
            "message_id": message_id,
            "key": key,
            "sent": {facet: shown_value(value) for facet, value in codec.flight(flight).sent.items()},
            "verdict": verdict or accepted,
            "issues": [] if issues is None else [shown_issue(issue) for issue in codec.issues(issues)],
        }
        for message_id, key, flight, verdict, issues in rows
    ]
