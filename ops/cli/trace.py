"""`feedline trace`: the history of one message, of a SKU, or of an order."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ops.cli.facet_values import pieces, value_in_words
from ops.cli.output import Cell, Json, emit, emit_lines, facts, say, table
from ops.cli.reading import MOST_ASKED_FOR, messages_table, reading, when
from worker.errors import FeedlineError

if TYPE_CHECKING:
    from worker.core.connections import Connection
    from worker.database import Transaction

MESSAGES_OF_A_KEY: Final = 20
"""Messages of a SKU or an order that are shown unless more are asked for."""


def trace(
    what: Annotated[str, typer.Argument(metavar="MESSAGE_ID|sku:SKU|order:ID", help="A message by its upstream's id, a SKU, or an order.")],
    *,
    source: Annotated[str | None, typer.Option(help="Only the message of this source; ids are unique within one.")] = None,
    connection: Annotated[str | None, typer.Option(help="Only what belongs to this connection.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_ASKED_FOR, help="Messages of a SKU or an order, the newest first.")
    ] = MESSAGES_OF_A_KEY,
    as_json: Json = False,
) -> None:
    """Tell the history of one message, or what is known of a SKU or an order and its messages.

    With --json, one JSON object a line: for the message, for the SKU (with `messages`), or for each message of the order.
    An id that several sources have used gives one object each; --source chooses.
    """
    with reading() as tx:
        if what.startswith("sku:"):
            _show_skus(_skus(tx, what.removeprefix("sku:"), connection, limit), as_json=as_json)
        elif what.startswith("order:"):
            _show_list(_of_order(tx, what.removeprefix("order:"), connection, limit), as_json=as_json)
        else:
            _show_messages(_messages(tx, what, source, connection), as_json=as_json)


# --- a message ------------------------------------------------------------------------------------------------------------------


def _messages(tx: "Transaction", id_: str, source: str | None, connection: str | None) -> list[dict[str, Any]]:
    from worker.store import traces

    found = [traces.trace_with_history(tx, message_id) for message_id in traces.named(tx, id_, source, connection)]
    if not found:
        refused = traces.refused_as(tx, id_, source)
        if refused:
            raise FeedlineError(f"No message has the id {id_}, but a refused delivery gave it: feedline rejected show {refused[-1]}")
        raise FeedlineError(f"No message has the id {id_}{_within(source, connection)}.")
    return [each for each in found if each is not None]


def _within(source: str | None, connection: str | None) -> str:
    return (f" from the source {source}" if source is not None else "") + (f" for {connection}" if connection is not None else "")


def _show_messages(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        emit_lines(found)
        return
    for number, each in enumerate(found):
        if number:
            say("")
        _show_message(each)


def _show_message(trace: Mapping[str, Any]) -> None:
    repeats = trace["deliveries"] - 1
    facts(
        (
            ("Message", trace["id"]),
            ("Source", trace["source"]),
            ("Type", trace["type"]),
            ("Connection", trace["connection"]),
            ("Key", trace["key"]),
            ("Version", f"sequence {trace['sequence']}" if trace["sequence"] is not None else when(trace["time"])),
            ("Deliveries", f"{trace['deliveries']} ({repeats} without effect)" if repeats else None),
            ("Outcome", trace["outcome"]),
            ("Reason", trace["reason"]),
            ("Superseded by", _winner(trace)),
            ("Feed", trace["feed_id"]),
            ("Amazon's feed", trace["amazon_feed_id"]),
            ("messageId", trace["message_id"]),
        )
    )
    if trace["facets"]:
        say("")
        table(("facet", "value", "outcome", "why"), (_facet(each) for each in trace["facets"]))
    if trace["issues"]:
        say("")
        issues_table(trace["issues"])
    if "shipment" in trace:
        say("")
        table(("stage", "found"), ((each["stage"], _found(each)) for each in trace["shipment"]["stages"]))
    say("")
    table(("at", "event", "details"), ((when(each["at"]), each["event"], _details(each)) for each in trace["history"]))


def _facet(facet: Mapping[str, Any]) -> tuple[Cell, ...]:
    winner = _winner(facet)
    because = f"by {winner}" if winner is not None else facet.get("reason") or ("hidden on the storefront" if facet.get("hidden") else None)
    if "missing" in facet:
        because = f"{because}: {pieces(facet['missing'].items())} missing"
    return facet["facet"], value_in_words(facet), facet["outcome"], because


def _winner(part: Mapping[str, Any]) -> str | None:
    winner = part.get("superseded_by")
    return None if winner is None else f"{winner} of {part['superseded_by_source']}"


def issues_table(issues: Sequence[Mapping[str, Any]]) -> None:
    """Print one row an issue: what is wrong, and what to do."""
    columns = ("code", "severity", "field", "value", "message", "remedy")
    table(
        columns,
        ([each["code"], each["severity"], each["field"] or each["attribute"], *(each[name] for name in columns[3:])] for each in issues),
    )


def _found(stage: Mapping[str, Any]) -> str:
    told = {name: value for name, value in stage.items() if name != "stage" and value not in (None, "")}
    return ", ".join(f"{name} {'yes' if value is True else 'no' if value is False else value}" for name, value in told.items())


def _details(event: Mapping[str, Any]) -> str:
    told = {name: value for name, value in event.items() if name not in {"at", "event"}}
    return ", ".join(f"{name} {', '.join(value) if isinstance(value, list) else value}" for name, value in told.items())


# --- a SKU ----------------------------------------------------------------------------------------------------------------------


def _skus(tx: "Transaction", sku: str, connection: str | None, limit: int) -> list[dict[str, Any]]:
    from worker.core.trace import as_json
    from worker.store import connections, skus, traces

    among = connections.all(tx) if connection is None else [connections.by_name(tx, connection)]
    found = skus.records(tx, among, sku)
    if not found:
        raise FeedlineError(
            f"Nothing is known of the SKU {sku}{_within(None, connection)}. Its case and spacing count{_near(tx, among, sku)}."
        )
    for belongs_to, record in found:
        newest = traces.of_key(tx, belongs_to.id, record["sku"], limit)
        record["messages"] = [as_json(trace) for trace in traces.traces(tx, newest).values()]
    return [record for _, record in found]


def _near(tx: "Transaction", among: "Sequence[Connection]", sku: str) -> str:
    """Return which SKUs Amazon lists that differ from *sku* only by case or spaces: ": Amazon lists 'ABC' (US shop)"."""
    from worker.core.connections import from_amazon
    from worker.store import imported_listings

    near = []
    for connection in among:
        key = from_amazon(sku, connection.settings.sku_prefix)
        near += [f"{listed!r} ({connection.name})" for listed in imported_listings.near_misses(tx, connection.id, [key]).values()]
    return f": Amazon lists {', '.join(near)}" if near else ""


def _show_skus(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        emit_lines(found)
        return
    for number, record in enumerate(found):
        if number:
            say("")
        _show_sku(record)
        say("")
        messages_table(record["messages"], empty="No messages.")


def _show_sku(record: Mapping[str, Any]) -> None:
    pending, in_feed = record["pending"], record["in_feed"]
    price = None if record["price"] is None else f"{record['price']} {record['currency']}"
    product_type = None if record["product_type"] is None else f"{record['product_type']} ({record['product_type_source']})"
    facts(
        (
            ("SKU", record["sku"]),
            ("Connection", record["connection"]),
            ("Amazon's SKU", record["amazon_sku"] if record["amazon_sku"] != record["sku"] else None),
            ("Price", price),
            ("Quantity", record["quantity"]),
            ("Handling time", record["handling_time"]),
            ("Status", record["status"]),
            ("Hidden", record["hidden"]),
            ("Product type", product_type),
            ("ASIN", record["asin"]),
            ("Title", record["title"]),
            ("Not listed since", record["vanished_at"]),
            ("Channels", ", ".join(record["channels"]) if record["channels"] else None),
            ("State", record["state"] if record["reason"] is None else f"{record['state']} ({record['reason']})"),
            ("Pending", None if pending is None else _values(pending["facets"])),
            ("In feed", None if in_feed is None else f"{in_feed['feed_id']}: {_values(in_feed['facets'])}"),
        )
    )


def _values(facets: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(f"{name} {'cleared' if value.get('cleared') else value['value']}" for name, value in facets.items())


# --- an order -------------------------------------------------------------------------------------------------------------------


def _of_order(tx: "Transaction", order: str, connection: str | None, limit: int) -> list[dict[str, Any]]:
    from worker.core.trace import as_json
    from worker.store import traces

    found = traces.traces(tx, traces.of_order(tx, order, connection, limit))
    if not found:
        raise FeedlineError(f"No shipment of the order {order} has arrived{_within(None, connection)}.")
    return [as_json(trace) for trace in found.values()]


def _show_list(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        for each in found:
            emit(each)
    else:
        messages_table(found, empty="No messages.")
