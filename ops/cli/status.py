"""`feedline status`: what waits, what is under way, what is wrong."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from ops.cli.feeds import age
from ops.cli.output import Json, emit, facts, note, say
from ops.cli.reading import reading


def status(
    *,
    connection: Annotated[str | None, typer.Option(help="Only this connection.")] = None,
    as_json: Json = False,
) -> None:
    """Show what waits, what is under way, and what is wrong, connection by connection.

    Feeds are counted if they have not ended or were cut today or yesterday (UTC); outcomes are those of the last 24 hours.
    """
    from worker.store import connections
    from worker.store import status as store

    with reading() as tx:
        if connection is not None:
            connections.by_name(tx, connection)
        found = store.read(tx, connection)
    if as_json:
        emit(found)
        return
    for each in found["connections"]:
        facts(_connection(each))
        say("")
    if not found["connections"]:
        note("There are no connections. Describe one in a file, and apply it: feedline connection apply -f connections.yaml")
    outbox = found["outbox"]
    facts(
        (
            (
                "Events to publish",
                f"{outbox['entries']:,} entries, the oldest {age(outbox['lag_seconds'])}" if outbox["entries"] else "none",
            ),
            (
                "Refused deliveries",
                f"{found['rejected_open']:,} open; see: feedline rejected list" if found["rejected_open"] else "none open",
            ),
        )
    )


def _connection(each: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    yield "Connection", each["connection"] + (" (paused)" if each["paused"] else "")
    yield "Authorised", "yes" if each["authorized"] else f"NO: {each['authorization_fault']}"
    if each["login"]["failures"]:
        yield "Login", f"failed {each['login']['failures']} times in a row"
    yield "Pending", _pending(each["pending"])
    for reason, held in each["held"].items():
        yield f"Held: {reason}", f"{_changes(held['changes'])}, the oldest {age(held['oldest_seconds'])}"
    for bundle in each["held_bundles"]:
        missing = ", ".join(f"{pieces} of {sku}" for sku, pieces in bundle["missing"].items())
        yield (
            f"Bundle {bundle['amazon_order_item_id']}",
            f"of order {bundle['amazon_order_id']} has waited {age(bundle['age_seconds'])} for {missing}",
        )
    if each["more_held_bundles"]:
        yield "Bundles", f"{each['more_held_bundles']:,} more wait for components, none as long"
    in_feed = each["in_feed"]
    yield (
        "In feeds",
        f"{_changes(in_feed['changes'])}, the oldest feed {age(in_feed['oldest_feed_seconds'])}" if in_feed["changes"] else "none",
    )
    yield "Feeds", _counts(each["feeds"])
    yield "Outcomes", _counts(each["outcomes"])
    yield "Calls left", _quota(each["quota"])


def _pending(pending: Mapping[str, Any]) -> str:
    if not pending["changes"]:
        return "none"
    words = (("unlinked", "to be linked"), ("undecided", "to be sent again"))
    parts = ", ".join(f"{pending[name]:,} {what}" for name, what in words if pending[name])
    return f"{_changes(pending['changes'])}{f' ({parts})' if parts else ''}, the oldest {age(pending['oldest_seconds'])}"


def _changes(count: int) -> str:
    return "1 change" if count == 1 else f"{count:,} changes"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {word}" for word, count in counts.items()) or "none"


def _quota(quota: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the operations that feeds use, with the calls that each allows now, or when it allows the next."""
    shown = (
        f"{left['operation']} {int(left['tokens'])}" + (f" (next in {age(left['next_call_seconds'])})" if left["next_call_seconds"] else "")
        for left in quota
    )
    return ", ".join(shown) or None
