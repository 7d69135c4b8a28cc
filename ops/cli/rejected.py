"""`feedline rejected`: deliveries that Feedline refused, with their original bytes and every fault."""

import base64
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.cli import example
from ops.cli.output import Json, emit, emit_lines, facts, note, say, table
from ops.cli.reading import Limit, limited, reading, snapshot
from ops.cli.session import database, settings
from ops.cli.trace import issues_table
from worker.errors import FeedlineError, UsageError

if TYPE_CHECKING:
    from worker.core.events import OutgoingEvent
    from worker.database import Transaction
    from worker.store.refused import Original, Refused

app = typer.Typer(no_args_is_help=True)

Id = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The refused delivery, as `feedline rejected list` numbers it.")
]


@app.callback()
def _group() -> None:
    """Deliveries that Feedline refused: list them, show one, send it again as it was or corrected, or set it aside."""


@app.command("list", epilog=example('feedline rejected list --connection "US shop"'))
def list_(
    *,
    state: Annotated[str, typer.Option(help="open, replayed, discarded, or all.")] = "open",
    connection: Annotated[str | None, typer.Option(help="Only those that name this connection.")] = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List refused deliveries, the newest first."""
    from worker.store import refused
    from worker.store.refused import RefusedState

    if state not in {*RefusedState, "all"}:
        raise UsageError(f"There is no state {state!r}. Say open, replayed, discarded, or all.")
    most = limited(limit, as_json=as_json)
    with reading() as tx:
        found = refused.listed(tx, state=None if state == "all" else RefusedState(state), connection=connection, at_most=most)
    if as_json:
        emit_lines(_summary(each) for each in found)
        return
    columns = ("rejected", "at", "queue", "connection", "source", "event id", "codes", "state")
    rows = ((r.id, r.at, r.queue, r.connection, r.source, r.external_id, ", ".join(_codes(r)), r.state) for r in found)
    table(columns, rows, empty="No refused deliveries.")
    if limit is None and len(found) == most:
        note(f"Only the newest {most} are shown; --limit or --json gives more.")


@app.command(epilog=example("feedline rejected show 7 --json"))
def show(
    rejected: Id,
    *,
    body: Annotated[bool, typer.Option("--body", help="Print the original body, byte for byte; it may hold personal data.")] = False,
    as_json: Json = False,
) -> None:
    """Show a refused delivery with every fault. With --json, the original bytes are in `body_base64`."""
    with reading() as tx:
        found, original = _found(tx, rejected)
    if body:
        sys.stdout.buffer.write(original.body)
        sys.stdout.buffer.flush()
    elif as_json:
        emit(_whole(found, original))
    else:
        facts(
            (
                ("Rejected", found.id),
                ("At", found.at),
                ("Queue", found.queue),
                ("Content type", found.content_type),
                ("Connection", found.connection),
                ("Source", found.source),
                ("Event id", found.external_id),
                ("Type", found.type),
                ("State", found.state),
                ("Body", f"{found.bytes:,} bytes; print them with --body"),
            )
        )
        say("")
        issues_table(_issues(found))


@app.command(epilog=example("feedline rejected replay 7"))
def replay(rejected: Id, *, as_json: Json = False) -> None:
    """Publish a refused delivery again, as it was: what refused it has been put right, as a connection that was missing.

    It counts as a new message, though its source and id are the same, and gets an outcome of its own.
    """
    _publish(rejected, None, as_json=as_json)


@app.command(epilog=example("feedline rejected edit 7 -f corrected.json"))
def edit(
    rejected: Id,
    *,
    file: Annotated[Path, typer.Option("-f", "--file", exists=True, dir_okay=False, help="The corrected body.")],
    as_json: Json = False,
) -> None:
    """Publish a refused delivery with a corrected body; the original is kept.

    Begin with: feedline rejected show ID --body > corrected.json
    """
    _publish(rejected, file.read_bytes(), as_json=as_json)


@app.command(epilog=example("feedline rejected discard 7"))
def discard(rejected: Id, *, as_json: Json = False) -> None:
    """Set a refused delivery aside: it is no longer open. Its bytes are kept as long as all others."""
    from worker.store import refused
    from worker.store.refused import RefusedState

    with database() as opened, opened.begin() as tx:
        _found(tx, rejected)
        refused.mark(tx, rejected, RefusedState.DISCARDED)
    _told(rejected, RefusedState.DISCARDED, as_json=as_json)


def _publish(rejected: int, corrected: bytes | None, *, as_json: bool) -> None:
    """Free the identity, publish, mark: broken off in between, the same command can be given again."""
    from worker.broker.publisher import Publisher
    from worker.broker.topology import EXCHANGE
    from worker.store import refused
    from worker.store.refused import RefusedState

    given = settings()
    with database(given) as opened, Publisher(given.amqp_urls()) as publisher:
        with snapshot(opened) as tx:
            found, original = _found(tx, rejected)
        event = _event(found, original, original.body if corrected is None else corrected)
        with opened.begin() as tx:
            refused.forget_identity(tx, found)
        publisher.publish_events([event], exchange=EXCHANGE, mandatory=True)
        with opened.begin() as tx:
            refused.mark(tx, rejected, RefusedState.REPLAYED)
    _told(rejected, RefusedState.REPLAYED, as_json=as_json)


def _event(found: "Refused", original: "Original", body: bytes) -> "OutgoingEvent":
    """Return what is published: to the queue that it came by, with what told its form. Other headers (CC, x-death) are RabbitMQ's."""
    from worker.broker.topology import QUEUES
    from worker.core.events import OutgoingEvent, routing_word
    from worker.core.wire import BATCH, PREFIXES, STRUCTURED

    content_type = found.content_type
    if content_type is not None and content_type.startswith(BATCH) and not body.lstrip().startswith(b"["):
        content_type = STRUCTURED  # one event of a batch, kept alone
    bindings = {queue.name: queue.bindings[0][1] for queue in QUEUES if queue.bindings}
    pattern = bindings.get(found.queue)
    if pattern is None:
        raise FeedlineError(f"The queue {found.queue} is none that messages are published to.")
    return OutgoingEvent(
        routing_key=pattern.replace("#", routing_word(found.connection)),
        id=f"rejected-{found.id}",
        body=body,
        content_type=content_type,
        headers={name: value for name, value in original.headers.items() if name.lower().startswith(PREFIXES)} or None,
    )


def _found(tx: "Transaction", rejected: int) -> "tuple[Refused, Original]":
    from worker.store import refused

    found = refused.by_id(tx, rejected)
    if found is None:
        raise FeedlineError(f"There is no refused delivery {rejected}. List them with: feedline rejected list")
    return found, refused.original(tx, rejected)


def _told(rejected: int, state: str, *, as_json: bool) -> None:
    if as_json:
        emit({"id": rejected, "state": state})
    else:
        say(f"Rejected {rejected} is {state}.")


def _summary(found: "Refused") -> dict[str, Any]:
    return {
        "id": found.id,
        "at": found.at,
        "queue": found.queue,
        "source": found.source,
        "event_id": found.external_id,
        "type": found.type,
        "connection": found.connection,
        "codes": _codes(found),
        "state": found.state,
    }


def _whole(found: "Refused", original: "Original") -> dict[str, Any]:
    return {
        **_summary(found),
        "issues": _issues(found),
        "content_type": found.content_type,
        "headers": dict(original.headers),
        "body_bytes": found.bytes,
        "body_base64": base64.b64encode(original.body).decode(),
    }


def _codes(found: "Refused") -> list[str]:
    return list(dict.fromkeys(issue.code for issue in found.issues))


def _issues(found: "Refused") -> Sequence[Mapping[str, Any]]:
    from worker.core.trace import shown_issue

    return [shown_issue(issue) for issue in found.issues]
