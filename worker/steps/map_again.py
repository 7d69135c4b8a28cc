"""Map again: what a connection's settings, as they are now, make of a message that the log holds."""

from datetime import datetime
from typing import NamedTuple

from worker.core import wire_json
from worker.core.coalescing import Arrival
from worker.core.connections import Connection
from worker.core.messages import Invalid, Message, read
from worker.core.wire import Event
from worker.steps.stage import Mapped, arrival, mapped
from worker.store.resync import Stored


class MappedAgain(NamedTuple):
    """A stored message with what the settings now make of it."""

    stored: Stored
    message: Message
    mapped: Mapped
    arrival: Arrival


def mapped_again(stored: Stored, connection: Connection, now: datetime) -> MappedAgain | None:
    """Return the stored message as it is mapped now; None where it was never valid, whatever the settings."""
    attributes = {
        "specversion": "1.0",
        "id": stored.external_id,
        "source": stored.source,
        "type": stored.type,
        "time": None if stored.time is None else stored.time.isoformat(),
        "sequence": stored.sequence,
        "traceparent": stored.traceparent,
    }
    try:
        data = wire_json.read(stored.body)
    except wire_json.Unreadable:
        return None
    message = read(Event(attributes=attributes, data=data, original=b"", content_type=None), now=now)
    if isinstance(message, Invalid):
        return None
    made = mapped(message, connection, now)
    return MappedAgain(stored, message, made, arrival(stored.id, message, made.facets, stored.received_at))
