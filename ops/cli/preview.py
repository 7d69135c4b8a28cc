"""`feedline preview`: a file of messages is rendered and explained; nothing is written, nothing is sent."""

from collections.abc import Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from ops.cli.compare import compare
from ops.cli.facet_values import pieces, value_in_words
from ops.cli.output import Json, emit, note, say, table
from ops.cli.publish import full_type, lines, opened
from ops.cli.reading import MOST_ASKED_FOR, reading
from worker.clock import Clock
from worker.core.json import JsonValue, decode, encode
from worker.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from worker.core.carriers import Decision
    from worker.core.facets import Value
    from worker.core.preview import Preview
    from worker.core.trace import Name
    from worker.core.wire import Delivery
    from worker.steps.preview import Previewed

SOURCE: Final = "feedline-preview"


def preview(
    message_type: Annotated[str, typer.Argument(metavar="TYPE", help="inventory, listing or shipment.")],
    *,
    connection: Annotated[str, typer.Option(help="The connection through whose template the messages go, whichever they name.")],
    file: Annotated[
        str | None, typer.Option("-f", "--file", help="One message a line: CloudEvents, or their bare data. -: standard input.")
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(
            "--last", min=1, max=MOST_ASKED_FOR, help="In place of a file: the original's last so many messages, through both connections."
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", help="With --last: the original. Default: what the connection was duplicated from.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Render and explain messages as the worker would. Nothing is written, and nothing is sent.

    A file: each line is looked at alone: what its template makes of it, every fault with its remedy, what is known to stand at
    Amazon already, and the feed message that would go. Exit code 1 when some line is invalid.

    Of a shipment also: how its carrier was decided, and what its bundles wait for; other parcels' components that wait are counted in.

    --last N: the last stored messages of the original go through it and through the connection, and the difference of what would be
    sent is printed: the safe test before a change of templates, rules or settings.
    """
    type_ = full_type(message_type)
    if (file is None) == (last is None):
        raise UsageError("Say which messages: -f FILE, or --last N.")
    if last is not None:
        compare(type_, connection, against, last, as_json=as_json)
        return
    if against is not None:
        raise UsageError("--against goes with --last.")
    assert file is not None
    counts: dict[str, int] = {}
    with opened(file) as stream, reading() as tx:
        from worker.steps.preview import previewed
        from worker.store import connections, traces

        now = Clock().now()
        through = connections.by_name(tx, connection)
        numbers: list[int] = []
        deliveries = _deliveries(stream, type_, connection, now, numbers)
        for number, each in enumerate(previewed(tx, through, deliveries, now)):
            counts[each.preview.outcome] = counts.get(each.preview.outcome, 0) + 1
            by = each.preview.by
            shown = _json(numbers[number], each, None if by is None else traces.names(tx, [by]).get(by))
            if as_json:
                emit(shown)
            else:
                _show(shown, each.feed_messages)
    note(", ".join(f"{count:,} {outcome}" for outcome, count in counts.items()) or "The file holds no messages.")
    if "invalid" in counts:
        raise typer.Exit(1)


def _deliveries(stream: IO[bytes], type_: str, connection: str, now: "datetime", numbers: list[int]) -> Iterator["Delivery"]:
    """Yield each line as a delivery, bare data as the data of an event of *type_*; note its number in *numbers*."""
    from worker.core.wire import STRUCTURED, Delivery
    from worker.core.wire_json import Unreadable, read

    for number, line in lines(stream):
        numbers.append(number)
        try:
            value = read(line)
        except Unreadable:
            value = None
        body = line
        if isinstance(value, dict) and "specversion" not in value:
            body = encode(
                {
                    "specversion": "1.0",
                    "id": f"line-{number}",
                    "source": SOURCE,
                    "type": type_,
                    "time": now.isoformat(),
                    "data": {"connection": connection, **value},
                }
            )
        yield Delivery(queue="preview", body=body, content_type=STRUCTURED)


def _json(line: int, each: "Previewed", winner: "Name | None") -> dict[str, Any]:
    from worker.core.trace import shown_issue

    result = each.preview
    return {
        "line": line,
        "id": each.id,
        "source": each.source,
        "key": each.key,
        "sku": each.listing.sku,
        "outcome": str(result.outcome),
        "reason": result.reason,
        "issues": [shown_issue(issue) for issue in result.issues],
        "superseded_by": None if winner is None else winner.id,
        "facets": [_facet_json(facet, value, result) for facet, value in result.facets.items()],
        "linked": each.listing.linked,
        "product_type_source": each.listing.product_type_source,
        "amazon_order_id": each.shipment.amazon_order_id,
        "decision": _decision(each.shipment.decision),
        "missing": each.shipment.missing,
        "feed_message": _feed_message(each),
    }


def _feed_message(each: "Previewed") -> JsonValue:
    """Of a SKU, of which one goes: the object. Of a parcel, whose parts go each as its own: the list of their XML texts."""
    if not each.feed_messages:
        return None
    return decode(each.feed_messages[0]) if each.shipment.amazon_order_id is None else each.feed_messages


def _decision(decision: "Decision | None") -> dict[str, Any] | None:
    """The decision as `feedline trace` shows it, and why it came out so."""
    if decision is None:
        return None
    from worker.core.carrier_reasons import reasons

    return {**msgspec.to_builtins(decision), "reasons": reasons(decision)}


def _facet_json(facet: str, value: "Value", result: "Preview") -> dict[str, Any]:
    from worker.core.preview import HELD
    from worker.core.trace import shown_value

    fate, waits = result.fates.get(facet), result.waits.get(facet)
    outcome, reason = (HELD, waits) if waits is not None else (result.outcome, None) if fate is None else (fate.outcome, fate.reason)
    told = {"facet": facet, **shown_value(value), "outcome": str(outcome)}
    return told if reason is None else {**told, "reason": reason}


def _show(shown: Mapping[str, Any], feed_messages: Iterable[str]) -> None:
    told = shown["reason"] or (f"by {shown['superseded_by']}" if shown["superseded_by"] else None)
    because = f" ({told})" if told else ""
    order = f" of order {shown['amazon_order_id']}" if shown["amazon_order_id"] else ""
    say(f"Line {shown['line']}: {shown['key'] or shown['id'] or 'no key'}{order}: {shown['outcome']}{because}")
    for issue in shown["issues"]:
        field = f"{issue['field']}: " if issue["field"] else ""
        say(f"  {issue['severity'].lower()} {issue['code']}: {field}{issue['message']} {issue['remedy'] or ''}".rstrip())
    if shown["decision"] is not None:
        for reason in shown["decision"]["reasons"]:
            say(f"  {reason}")
    for item_id, counts in shown["missing"].items():
        say(f"  The bundle {item_id} waits for {pieces(counts.items())}.")
    if shown["facets"]:
        rows = ((f"  {facet['facet']}", value_in_words(facet), _outcome(facet)) for facet in shown["facets"])
        table(("  facet", "value", "outcome"), rows)
    if shown["linked"] is False and shown["feed_message"] is not None:
        type_ = ": its product type is the fallback" if shown["product_type_source"] == "fallback" else ""
        say(f"  Amazon has not been asked about this SKU yet{type_}.")
    for text in feed_messages:
        for line in text.splitlines():
            say(f"  {line}")
    say("")


def _outcome(facet: Mapping[str, Any]) -> str:
    return f"{facet['outcome']} ({facet['reason']})" if "reason" in facet else str(facet["outcome"])
