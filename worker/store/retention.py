"""Forget what is past retention, so many rows in a transaction: the fleet goes on beside it."""

from schema.partitions import Partition
from worker.database import Transaction


def forget_identities(tx: Transaction, messages: Partition, after: int, at_once: int) -> int | None:
    """Forget what identified the messages of *messages*, from the one behind *after*. Return the last one, or None at the end.

    A repeat that comes now is a new message.
    """
    last: int | None = tx.exec_driver_sql(
        f"WITH past AS (SELECT id, source, external_id FROM {messages.name} WHERE id > %s ORDER BY id LIMIT %s), "
        'gone AS (DELETE FROM identity i USING past p WHERE i.source = p.source COLLATE "C" '
        'AND i.external_id = p.external_id COLLATE "C" AND i.message_id = p.id) SELECT max(id) FROM past',
        (after, at_once),
    ).scalar_one()
    return last


def forget_repeats(tx: Transaction, before: int, at_once: int) -> int:
    """Forget repeats of messages with identifiers below *before*. Return how many."""
    return tx.exec_driver_sql(
        "DELETE FROM repeat WHERE ctid = ANY(ARRAY(SELECT ctid FROM repeat WHERE message_id < %s LIMIT %s))", (before, at_once)
    ).rowcount


def forget_refused(tx: Transaction, retention_days: int, at_once: int) -> int:
    """Forget refused deliveries with their bytes, whatever has been done about them: only the oldest are looked at. Return how many."""
    return tx.exec_driver_sql(
        "DELETE FROM rejected WHERE at < current_date - %s::integer AND id = ANY(ARRAY(SELECT id FROM rejected ORDER BY id LIMIT %s))",
        (retention_days, at_once),
    ).rowcount


def forget_feeds(tx: Transaction, before: int, at_once: int) -> int:
    """Forget feeds with identifiers below *before* for which nothing is due, with documents, reports and history. Return how many."""
    gone: int = tx.exec_driver_sql(
        "WITH gone AS (DELETE FROM feed WHERE id = ANY(ARRAY("
        "SELECT id FROM feed WHERE id < %s AND due_at IS NULL ORDER BY id LIMIT %s)) RETURNING id), "
        "told AS (DELETE FROM feed_event WHERE feed_id IN (SELECT id FROM gone)) SELECT count(*) FROM gone",
        (before, at_once),
    ).scalar_one()
    return gone
