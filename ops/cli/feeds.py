"""`feedline feeds`: the feeds, and one of them with its document and Amazon's report."""

import gzip
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ops.cli import example
from ops.cli.facet_values import value_in_words
from ops.cli.output import Json, emit, emit_lines, facts, note, say, table
from ops.cli.reading import Limit, limited, reading
from worker.errors import FeedlineError, UsageError

app = typer.Typer(invoke_without_command=True)


@app.callback(epilog=example('feedline feeds --connection "US shop" --state settled'))
def feeds(
    ctx: typer.Context,
    *,
    connection: Annotated[str | None, typer.Option(help="Only this connection's.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List the feeds, the newest first, or show one.

    With --json, one line of JSON a feed. `messages` counts feed messages: one a SKU, whatever the number of messages behind it.
    """
    if ctx.invoked_subcommand is not None:
        return
    from worker.core.states import FeedState
    from worker.store import connections, feed_history

    if state is not None and state not in set(FeedState):
        raise UsageError(f"There is no state {state!r}. Say one of: {', '.join(FeedState)}.")
    most = limited(limit, as_json=as_json)
    with reading() as tx:
        if connection is not None:
            connections.by_name(tx, connection)
        found = feed_history.listed(tx, connection=connection, state=None if state is None else FeedState(state), at_most=most)
    if as_json:
        emit_lines(found)
        return
    columns = ("feed", "Amazon's", "connection", "state", "messages", "accepted", "rejected", "undecided", "age")
    rows = (
        (
            each["feed_id"],
            each["amazon_feed_id"],
            each["connection"],
            each["state"],
            *(each[name] for name in columns[4:8]),
            age(each["age_seconds"]),
        )
        for each in found
    )
    table(columns, rows, empty="No feeds.")
    if limit is None and len(found) == most:
        note(f"Only the newest {most} are shown; --limit or --json gives more.")


@app.command(epilog=example("feedline feeds show 472015020301 --document"))
def show(
    feed: Annotated[str, typer.Argument(metavar="ID", help="The feed's id, ours or Amazon's.")],
    *,
    document: Annotated[bool, typer.Option("--document", help="Print the document, byte for byte as it was uploaded.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Print Amazon's processing report.")] = False,
    as_json: Json = False,
) -> None:
    """Show one feed: the way it has gone, its counts, and its first feed messages, those with a complaint before the others."""
    from worker.store import feed_history

    if document and report:
        raise UsageError("--document and --report are two documents. Ask for one of them.")
    with reading() as tx:
        ids = feed_history.found(tx, feed)
        if not ids:
            raise FeedlineError(f"There is no feed {feed}. List them with: feedline feeds")
        if len(ids) > 1:
            raise FeedlineError(f"Several feeds have the id {feed} at Amazon. Name ours: {', '.join(map(str, ids))}.")
        if document or report:
            kept = feed_history.document(tx, ids[0]) if document else feed_history.report(tx, ids[0])
            if kept is None:
                raise FeedlineError(f"There is no report of the feed {feed} yet.")
            sys.stdout.flush()
            sys.stdout.buffer.write(gzip.decompress(kept))
            sys.stdout.buffer.flush()
            return
        found = feed_history.shown(tx, ids[0])
    if as_json:
        emit(found)
    else:
        _show(found)


def _show(feed: Mapping[str, Any]) -> None:
    facts(
        (
            ("Feed", feed["feed_id"]),
            ("Amazon's feed", feed["amazon_feed_id"]),
            ("Connection", feed["connection"]),
            ("Type", feed["feed_type"]),
            ("Orders", feed["batch"]),
            ("State", feed["state"]),
            ("Age", age(feed["age_seconds"])),
            ("Next step", feed["due_at"]),
            ("Unclear since", feed["unclear_since"]),
            ("Messages", feed["messages"]),
            ("Accepted", feed["accepted"]),
            ("Rejected", feed["rejected"]),
            ("Undecided", feed["undecided"]),
            ("Sends again", "what an earlier feed left undecided" if feed["sends_undecided_again"] else None),
            ("Fault", feed["fault"]),
            ("Document", f"{feed['document_bytes']:,} bytes; print it with --document"),
            ("Report", "print it with --report" if feed["has_report"] else "none yet"),
        )
    )
    say("")
    table(("at", "state", "note"), ((each["at"], each["state"], each["note"]) for each in feed["events"]))
    say("")
    table(("messageId", "key", "sent", "verdict", "issues"), (_message(each) for each in feed["feed_messages"]))
    if len(feed["feed_messages"]) < feed["messages"]:
        note(f"{len(feed['feed_messages'])} of {feed['messages']:,} feed messages are shown; --document prints all that was sent.")


def _message(message: Mapping[str, Any]) -> tuple[int, str, str, str | None, str]:
    sent = ", ".join(f"{facet} {value_in_words({'facet': facet, **value})}" for facet, value in message["sent"].items())
    return message["message_id"], message["key"], sent, message["verdict"], "; ".join(each["message"] for each in message["issues"])


def age(seconds: float) -> str:
    """Return a duration in its two largest units: 3d 4h, 12m 5s."""
    left = int(max(0.0, seconds))
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])
