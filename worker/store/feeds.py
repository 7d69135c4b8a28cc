"""Feeds: one createFeed at Amazon each, the exact document, and the way they have gone."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from worker.core.accounts import Seller
from worker.core.ids import FeedId, identifier
from worker.core.issues import Issue
from worker.core.states import AT_AMAZON, UNSENT, FeedEvent, FeedState, after
from worker.database import Transaction
from worker.store import codec, outbox
from worker.store.copying import copy_rows

CLAIM_SECONDS: Final = 45
"""How long a worker may work on one step of a feed before another may take it up. Who is slower finds itself overtaken."""


class Overtaken(Exception):  # not an error: whoever came later goes on
    """Our claim had ended, and another worker has taken the feed further. Nothing was written."""


class Feed(msgspec.Struct):
    """A feed's row without its document and report."""

    id: FeedId
    connection_id: int
    kind: str
    feed_type: str
    state: FeedState
    split_id: int | None
    messages: int
    first_message_id: int
    created_at: datetime
    attempts: int
    lease: str | None
    amazon_document_id: str | None
    upload_url: bytes | None
    submitted_at: datetime | None
    unclear_since: datetime | None
    looks: int
    ruled_out: list[str]
    amazon_feed_id: str | None
    result_document_id: str | None
    fulfillment_channel: str | None
    now: datetime
    """Postgres' clock at the claim."""


_COLUMNS: Final = (
    "id, connection_id, kind, feed_type, state, split_id, messages, first_message_id, created_at, attempts, lease, amazon_document_id, "
    "upload_url, submitted_at, unclear_since, looks, ruled_out, amazon_feed_id, result_document_id, fulfillment_channel, now()"
)


def _feed(row: Sequence[object]) -> Feed:
    fields = list(row)
    fields[4] = FeedState(str(fields[4]))
    url = fields[12]
    fields[12] = bytes(url) if isinstance(url, (bytes, memoryview)) else None
    return Feed(*fields)  # type: ignore[arg-type]


def new_id(tx: Transaction) -> FeedId:
    day, number = tx.exec_driver_sql("SELECT (now() AT TIME ZONE 'UTC')::date - DATE '2020-01-01', nextval('feed_id')").one()
    return FeedId(identifier(day, number))


def add(
    tx: Transaction,
    feed_id: FeedId,
    *,
    connection: tuple[int, str],
    kind: str,
    feed_type: str,
    split_id: int | None,
    lease: str,
    messages: int,
    first_message_id: int,
    document: bytes,
    document_bytes: int,
    batch: str | None = None,
    fulfillment_channel: str | None = None,
) -> None:
    """Store a feed that has just been cut. *document*: gzip of the bytes to upload; *connection*: id and name."""
    tx.exec_driver_sql(
        "INSERT INTO feed (id, connection_id, kind, feed_type, state, split_id, lease, messages, first_message_id, document, "
        "document_bytes, batch, fulfillment_channel, created_at, changed_at, due_at) "
        "VALUES (%s, %s, %s, %s, 'cut', %s, %s, %s, %s, %s, %s, %s, %s, now(), now(), now())",
        (
            feed_id,
            connection[0],
            kind,
            feed_type,
            split_id,
            lease,
            messages,
            first_message_id,
            document,
            document_bytes,
            batch,
            fulfillment_channel,
        ),
    )
    _tell(tx, feed_id, FeedState.CUT, None)


def add_messages(tx: Transaction, rows: Iterable[tuple[FeedId, int, str, str]]) -> None:
    """Write feed messages: feed id, messageId, key, flight as JSON text."""
    copy_rows(tx, "feed_message (feed_id, message_id, key, flight)", rows)


def claim(tx: Transaction, feed_id: FeedId, states: Collection[FeedState]) -> Feed | None:
    """Take up a feed that is in one of *states* and whose next step is due; None when it is not, or another worker has it."""
    row = tx.exec_driver_sql(
        f"UPDATE feed SET claimed_until = now() + interval '{CLAIM_SECONDS} seconds' "
        "WHERE id = %s AND state = ANY(%s::text[]) AND due_at <= now() "
        f"AND (claimed_until IS NULL OR claimed_until < now()) RETURNING {_COLUMNS}",
        (feed_id, [str(state) for state in states]),
    ).first()
    return None if row is None else _feed(row)


_SETTABLE: Final = frozenset(
    {
        "amazon_document_id",
        "upload_url",
        "submitted_at",
        "unclear_since",
        "looks",
        "amazon_feed_id",
        "result_document_id",
        "lease",
        "report",
        "accepted",
        "rejected",
        "undecided",
        "fault",
    }
)


_AT_ONCE: Final = timedelta(0)


def move(
    tx: Transaction,
    feed: Feed,
    event: FeedEvent,
    *,
    due_in: timedelta | None = _AT_ONCE,
    keep_claim: bool = False,
    note: str | None = None,
    **columns: Any,  # noqa: ANN401  # a column's own type
) -> FeedState:
    """Bring *feed* to the state that *event* leads to, with further *columns*; tell of it when the state is another.

    *due_in*: when its next step is due; None: never. *keep_claim*: the same worker goes on.

    Raises: Overtaken when the feed is no longer in the state in which it was claimed. A worker that was stopped for longer
    than its claim would else set the feed back, and send it twice.
    """
    if not columns.keys() <= _SETTABLE:
        raise ValueError(f"Not columns of a feed that a step may set: {sorted(columns.keys() - _SETTABLE)}")
    state = after(feed.state, event)
    sets = "".join(f", {name} = %({name})s" for name in columns)
    moved = tx.exec_driver_sql(
        f"UPDATE feed SET state = %(state_)s, changed_at = now(), dispatched_until = NULL, attempts = %(attempts_)s, "
        f"due_at = now() + %(due_)s, claimed_until = CASE WHEN %(keep_)s THEN now() + interval '{CLAIM_SECONDS} seconds' END{sets} "
        "WHERE id = %(id_)s AND state = %(from_)s",
        {
            **columns,
            "id_": feed.id,
            "from_": feed.state,
            "state_": state,
            "due_": due_in,
            "keep_": keep_claim,
            "attempts_": feed.attempts + 1 if state is feed.state else 0,
        },
    )
    if moved.rowcount != 1:
        raise Overtaken
    if state is not feed.state:
        feed.attempts = 0
        feed.state = state
        _tell(tx, feed.id, state, note)
    else:
        feed.attempts += 1
    return state


def intend(tx: Transaction, feed: Feed) -> None:
    """Write, before createFeed is called, that it is about to be: from here on a crash leaves the feed to reconciliation."""
    move(tx, feed, FeedEvent.CALL_STARTED, keep_claim=True)
    feed.submitted_at = tx.exec_driver_sql(
        "UPDATE feed SET submitted_at = now() WHERE id = %s RETURNING submitted_at", (feed.id,)
    ).scalar_one()


def release(tx: Transaction, feed: Feed, *, at: datetime | None = None, after_: timedelta | None = None, note: str | None = None) -> None:
    """Give *feed* back unmoved: its step is due again *at* a time, or *after_* a while. A *note* is a failed attempt."""
    tx.exec_driver_sql(
        "UPDATE feed SET claimed_until = NULL, dispatched_until = NULL, attempts = attempts + %(failed)s, "
        "due_at = coalesce(%(at)s, now() + %(after)s), fault = coalesce(%(note)s, fault) WHERE id = %(id)s AND state = %(state)s",
        {"id": feed.id, "state": feed.state, "at": at, "after": after_, "note": note, "failed": 0 if note is None else 1},
    )


def wake(tx: Transaction, account_id: int) -> None:
    """Let the feeds of an account go on at once. A lost createFeed is looked for in its own time."""
    tx.exec_driver_sql(
        "UPDATE feed SET due_at = now() WHERE due_at > now() AND state <> 'submitting' "
        "AND connection_id IN (SELECT id FROM connection WHERE account_id = %s)",
        (account_id,),
    )


def finish(tx: Transaction, feed: Feed, event: FeedEvent | None, *, note: str | None = None, **columns: Any) -> None:  # noqa: ANN401
    """End *feed*: nothing is due any more. A cancelled, fatal or abandoned one keeps its state, for that is its end."""
    if event is not None:
        move(tx, feed, event, due_in=None, keep_claim=False, note=note, **columns)
        return
    sets = "".join(f", {name} = %({name})s" for name in columns)
    tx.exec_driver_sql(
        f"UPDATE feed SET changed_at = now(), due_at = NULL, claimed_until = NULL, dispatched_until = NULL{sets} WHERE id = %(id_)s",
        {**columns, "id_": feed.id},
    )


def unclear(tx: Transaction, feed: Feed, look_in: timedelta, note: str) -> None:
    """Note that createFeed's answer was lost: the next thing to do is to look at Amazon's list."""
    tx.exec_driver_sql(
        "UPDATE feed SET unclear_since = coalesce(unclear_since, now()), looks = 0, claimed_until = NULL, dispatched_until = NULL, "
        "due_at = now() + %s, fault = %s WHERE id = %s AND state = %s",
        (look_in, note, feed.id, feed.state),
    )
    tx.exec_driver_sql("INSERT INTO feed_event (feed_id, at, state, note) VALUES (%s, now(), %s, %s)", (feed.id, feed.state, note))


def looked(tx: Transaction, feed: Feed, *, since_unclear: timedelta | None, from_now: timedelta) -> None:
    """Count a look at Amazon's list that decided nothing; the next is due *since_unclear*, or else *from_now*."""
    tx.exec_driver_sql(
        "UPDATE feed SET looks = looks + 1, claimed_until = NULL, dispatched_until = NULL, "
        "due_at = coalesce(unclear_since + %s::interval, now() + %s::interval) WHERE id = %s AND state = %s",
        (since_unclear, from_now, feed.id, feed.state),
    )


def rule_out(tx: Transaction, feed: Feed, amazon_feed_id: str) -> None:
    """Note that a feed of Amazon's is not *feed*, whose answer was lost."""
    tx.exec_driver_sql("UPDATE feed SET ruled_out = array_append(ruled_out, %s) WHERE id = %s", (amazon_feed_id, feed.id))


def _tell(tx: Transaction, feed_id: FeedId, state: FeedState, note: str | None) -> None:
    tx.exec_driver_sql("INSERT INTO feed_event (feed_id, at, state, note) VALUES (%s, now(), %s, %s)", (feed_id, state, note))
    row = tx.exec_driver_sql(
        "SELECT c.name, f.amazon_feed_id, f.feed_type, f.messages, f.accepted, f.rejected, now() "
        "FROM feed f JOIN connection c ON c.id = f.connection_id WHERE f.id = %s",
        (feed_id,),
    ).one()
    payload = {
        "connection": row[0],
        "feed_id": feed_id,
        "amazon_feed_id": row[1],
        "feed_type": row[2],
        "state": str(state),
        "messages": row[3],
        "accepted": row[4],
        "rejected": row[5],
    }
    outbox.tell(tx, outbox.FEED, payload, row[6])


def document(tx: Transaction, feed_id: FeedId) -> bytes:
    """Return the feed's document, still compressed."""
    return bytes(tx.exec_driver_sql("SELECT document FROM feed WHERE id = %s", (feed_id,)).scalar_one())


def blocked(tx: Transaction, connection_id: int, kind: str, stalled_after: timedelta) -> bool:
    """Whether a feed of the lane is unclear, stalled, or cannot be sent just now, so that no more may be cut behind it."""
    return bool(
        tx.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM feed WHERE connection_id = %s AND kind = %s AND due_at IS NOT NULL "
            "AND (unclear_since IS NOT NULL AND state = 'submitting' OR state = ANY(%s::text[]) AND (attempts > 0 OR lease IS NULL) "
            "OR state = ANY(%s::text[]) AND submitted_at < now() - %s))",
            (connection_id, kind, [str(state) for state in UNSENT], [str(state) for state in AT_AMAZON], stalled_after),
        ).scalar()
    )


def under_way(tx: Transaction, connection_id: int, kind: str) -> int:
    """Return how many feeds of the lane have not ended."""
    return int(
        tx.exec_driver_sql(
            "SELECT count(*) FROM feed WHERE connection_id = %s AND kind = %s AND due_at IS NOT NULL", (connection_id, kind)
        ).scalar_one()
    )


def known_at_amazon(tx: Transaction, account_id: int, amazon_feed_ids: Sequence[str]) -> set[str]:
    """Return which of *amazon_feed_ids* are feeds of ours already."""
    rows = tx.exec_driver_sql(
        "SELECT f.amazon_feed_id FROM feed f JOIN connection c ON c.id = f.connection_id "
        "WHERE c.account_id = %s AND f.amazon_feed_id = ANY(%s::text[])",
        (account_id, list(amazon_feed_ids)),
    )
    return {row[0] for row in rows}


def has_rivals(tx: Transaction, seller: Seller, feed: Feed) -> bool:
    """Whether another createFeed of that seller and type has no answer yet: Amazon may show its feed before we know that it is ours."""
    return bool(
        tx.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM feed f JOIN connection c ON c.id = f.connection_id WHERE c.account_id = %s "
            "AND c.marketplace_id = %s AND f.feed_type = %s AND f.state = 'submitting' AND f.due_at IS NOT NULL AND f.id <> %s)",
            (seller.account.id, seller.marketplace_id, feed.feed_type, feed.id),
        ).scalar()
    )


def keys(tx: Transaction, feed_id: FeedId) -> dict[int, str]:
    """Return the keys of a feed by messageId."""
    return dict(tx.exec_driver_sql("SELECT message_id, key FROM feed_message WHERE feed_id = %s", (feed_id,)).all())


def write_verdicts(tx: Transaction, feed_id: FeedId, verdicts: Mapping[int, tuple[str, tuple[Issue, ...]]]) -> None:
    """Note the verdicts of feed messages that were not simply accepted."""
    if verdicts:
        tx.exec_driver_sql(
            "UPDATE feed_message m SET verdict = new.verdict, issues = new.issues FROM unnest(%s::integer[], %s::text[], %s::jsonb[]) "
            "AS new (message_id, verdict, issues) WHERE m.feed_id = %s AND m.message_id = new.message_id",
            (
                list(verdicts),
                [str(verdict) for verdict, _ in verdicts.values()],
                [codec.text(issues) if issues else None for _, issues in verdicts.values()],
                feed_id,
            ),
        )


def dispatch_due(tx: Transaction, *, at_most: int, every_seconds: float) -> list[tuple[FeedId, FeedState]]:
    """Return feeds whose next step is due, each at most once in *every_seconds*."""
    rows = tx.exec_driver_sql(
        "UPDATE feed SET dispatched_until = now() + %(every)s * interval '1 second' WHERE id IN ("
        "SELECT id FROM feed WHERE due_at <= now() AND (claimed_until IS NULL OR claimed_until < now()) "
        "AND (dispatched_until IS NULL OR dispatched_until < now()) ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED) "
        "RETURNING id, state",
        {"every": every_seconds, "most": at_most},
    )
    return [(FeedId(row[0]), FeedState(row[1])) for row in rows]
