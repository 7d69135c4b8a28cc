"""`feedline preview --last`: the last messages of a connection through it and through a copy; the difference of the payloads."""

from ops.cli.output import emit, note, say
from ops.cli.reading import reading
from worker.clock import Clock
from worker.errors import UsageError


def compare(type_: str, connection: str, against: str | None, last: int, *, as_json: bool) -> None:
    """Print how the payloads of the original's *last* messages of *type_* differ, one unified diff for each message that differs.

    As JSON: one line for every message, with `difference` empty where there is none.
    """
    from worker.core.messages import MessageType
    from worker.steps.compare import compared
    from worker.store import connections

    differing = messages = 0
    with reading() as tx:
        after = connections.by_name(tx, connection)
        before = connections.original_of(tx, after.id) if against is None else connections.by_name(tx, against)
        if before is None:
            raise UsageError(f"{connection} was not duplicated from another connection. Say what to compare it with: --against NAME.")
        for each in compared(tx, before, after, MessageType(type_), last=last, now=Clock().now()):
            messages += 1
            differing += bool(each.difference)
            if as_json:
                emit({**each._asdict(), "against": before.name, "connection": after.name})
            elif each.difference:
                say(f"{each.key}: message {each.id} of {each.source}, {each.received_at:%Y-%m-%d %H:%M:%SZ}")
                for line in each.difference:
                    say(f"  {line}")
                say("")
    note(f"{differing:,} of the last {messages:,} messages of {before.name} would go otherwise through {after.name}.")
