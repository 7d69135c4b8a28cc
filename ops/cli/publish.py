"""`feedline publish`: a file of messages goes to RabbitMQ, as an upstream would send it."""

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Annotated, Any, Final, NamedTuple
from uuid import uuid4

import typer

from ops.cli.output import emit, progress, say
from ops.cli.session import settings
from worker.clock import Clock
from worker.errors import FeedlineError, UsageError

if TYPE_CHECKING:
    from worker.core.events import OutgoingEvent

BATCH: Final = 2_000
"""Messages that are confirmed before the next are read."""

MOST_FAULTS_SHOWN: Final = 20
TYPES: Final = ("inventory", "listing", "shipment")


class Wanted(NamedTuple):
    """What the command line says of the messages. `connection` and `source` are for lines that name none."""

    type: str
    connection: str | None
    source: str


def publish(
    message_type: Annotated[str, typer.Argument(metavar="TYPE", help="inventory, listing or shipment.")],
    *,
    file: Annotated[str, typer.Option("-f", "--file", help="One message a line: CloudEvents, or their bare data. -: standard input.")],
    connection: Annotated[str | None, typer.Option(help="The connection of bare data that names none.")] = None,
    source: Annotated[str, typer.Option(help="The source of bare data.")] = "feedline-publish",
    as_json: Annotated[bool, typer.Option("--json", help="Print line, source and id of every message, for programs.")] = False,
) -> None:
    """Publish a file of messages to RabbitMQ.

    Bare data becomes a CloudEvent with an id and a time of its own. Nothing is sent when a line cannot be read. The
    command ends when RabbitMQ has confirmed every message; `feedline trace ID` tells what becomes of each.
    """
    wanted = Wanted(full_type(message_type), connection, source)
    found = settings()
    with opened(file) as stream:
        count = refuse_faulty(stream, wanted)
        stream.seek(0)
        _send(found.amqp_urls(), _events(stream, wanted), count, as_json=as_json)
    if not as_json:
        say(f"Published {count:,} {'message' if count == 1 else 'messages'}, each confirmed by RabbitMQ.")


def full_type(given: str) -> str:
    """Return `feedline.inventory.v1` for `inventory` and for itself. Raises UsageError for what is no type."""
    full = {**{short: f"feedline.{short}.v1" for short in TYPES}, **{f"feedline.{short}.v1": f"feedline.{short}.v1" for short in TYPES}}
    if given not in full:
        raise UsageError(f"There is no message type {given!r}. Say inventory, listing or shipment.")
    return full[given]


@contextmanager
def opened(file: str) -> Iterator[IO[bytes]]:
    """Open *file*, which is read twice; standard input (`-`) is kept in a temporary file for that. Raises: UsageError."""
    if file == "-":
        with tempfile.TemporaryFile() as kept:
            shutil.copyfileobj(sys.stdin.buffer, kept)
            kept.seek(0)
            yield kept
    else:
        try:
            stream = open(file, "rb")  # noqa: PTH123, SIM115  # as the user wrote it; closed below
        except OSError as error:
            raise UsageError(f"{error.strerror}: {file}") from None
        with stream:
            yield stream


def lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, with their numbers."""
    for number, line in enumerate(stream, 1):
        stripped = line.strip()
        if stripped:
            yield number, stripped


def refuse_faulty(stream: IO[bytes], wanted: Wanted) -> int:
    """Read every line and return how many there are. Raises FeedlineError that names the lines that cannot be sent."""
    faults, count = [], 0
    for number, line in lines(stream):
        count += 1
        fault = _fault(line, wanted)
        if fault is not None:
            faults.append(f"line {number}: {fault}")
    if faults:
        more = [f"and {len(faults) - MOST_FAULTS_SHOWN} more lines."] if len(faults) > MOST_FAULTS_SHOWN else []
        raise FeedlineError("\n".join(["Nothing was sent, for the file has faults:", *faults[:MOST_FAULTS_SHOWN], *more]))
    return count


def _fault(line: bytes, wanted: Wanted) -> str | None:
    from worker.core.wire_json import Unreadable, read

    try:
        value = read(line)
    except Unreadable as unreadable:
        return " ".join(f"{fault.message} {fault.remedy or ''}".strip() for fault in unreadable.faults)
    if not isinstance(value, dict):
        return "This is no JSON object. Write one message a line."
    if not _is_event(value):
        return (
            None
            if wanted.connection or value.get("connection")
            else "No connection is named. Add connection to the line, or give --connection."
        )
    if value.get("type") != wanted.type:
        return f"This is a {value.get('type')}, not a {wanted.type}."
    return None if isinstance(value.get("id"), str) else "This CloudEvent has no id."


def _is_event(value: dict[str, Any]) -> bool:
    return "specversion" in value


class Numbered(NamedTuple):
    line: int
    source: str
    id: str
    event: "OutgoingEvent"


def _events(stream: IO[bytes], wanted: Wanted) -> Iterator[Numbered]:
    """Yield what is published: a CloudEvent goes byte by byte as it stands in the file."""
    from worker.core.events import OutgoingEvent, upstream_event, upstream_routing_key
    from worker.core.messages import MessageType
    from worker.core.wire_json import read

    kind, clock = MessageType(wanted.type), Clock()
    for number, line in lines(stream):
        value = read(line)
        if _is_event(value):
            data = value.get("data")
            connection = data.get("connection") if isinstance(data, dict) else None
            key = upstream_routing_key(kind, connection if isinstance(connection, str) else None)
            yield Numbered(number, str(value.get("source", "")), value["id"], OutgoingEvent(key, value["id"], line))
        else:
            data = value if value.get("connection") else {**value, "connection": wanted.connection}
            event_id = str(uuid4())
            event = upstream_event(kind, data, event_id=event_id, source=wanted.source, time=clock.now())
            yield Numbered(number, wanted.source, event_id, event)


def _send(urls: Sequence[str], events: Iterable[Numbered], count: int, *, as_json: bool) -> None:
    from worker.broker.publisher import NotPublished, Publisher
    from worker.broker.topology import EXCHANGE

    done = 0
    with Publisher(urls) as publisher, progress("Publishing", count) as advance:
        for batch in _batches(events):
            try:
                publisher.publish_events([numbered.event for numbered in batch], exchange=EXCHANGE, mandatory=True)
            except NotPublished as fault:
                before = f" {done:,} of {count:,} messages before these are confirmed." if done else ""
                raise FeedlineError(f"{fault}{before}") from fault
            done += len(batch)
            advance(len(batch))
            if as_json:
                for numbered in batch:
                    emit({"line": numbered.line, "source": numbered.source, "id": numbered.id})


def _batches(events: Iterable[Numbered]) -> Iterator[list[Numbered]]:
    batch: list[Numbered] = []
    for event in events:
        batch.append(event)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
