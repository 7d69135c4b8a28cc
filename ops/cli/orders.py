"""`feedline orders`: the orders that were imported, and one of them with its personal data."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ops.cli import example
from ops.cli.output import Json, emit, emit_lines, facts, note, say, table
from ops.cli.reading import Limit, limited, reading, snapshot
from ops.cli.run import told
from ops.cli.session import database, settings
from worker.errors import FeedlineError, UsageError

app = typer.Typer(invoke_without_command=True)


@app.callback(epilog=example('feedline orders --connection "US shop" --status UNSHIPPED'))
def orders(
    ctx: typer.Context,
    *,
    connection: Annotated[str | None, typer.Option(help="Only this connection's.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those in this status, as Amazon spells it: UNSHIPPED, SHIPPED, …")] = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List the imported orders, those that changed last first, or show one. The list holds no personal data.

    With --json, one line of JSON an order. `mapped` is what the connection's template made.
    """
    if ctx.invoked_subcommand is not None:
        return
    from worker.store import connections
    from worker.store.orders import listed

    most = limited(limit, as_json=as_json)
    with reading() as tx:
        if connection is not None:
            connections.by_name(tx, connection)
        streamed = listed(tx, connection=connection, status=status, at_most=most)
        if as_json:
            emit_lines(streamed)
            return
        found = list(streamed)
    columns = ("order", "connection", "status", "purchased", "updated", "total", "currency", "items")
    rows = (
        (
            each["amazon_order_id"],
            each["connection"],
            each["status"],
            each["purchased_at"],
            each["updated_at"],
            each["total"],
            each["currency"],
            ", ".join(_item(item) for item in each["items"]),
        )
        for each in found
    )
    table(columns, rows, empty="No orders.")
    if limit is None and len(found) == most:
        note(f"Only the {most} that changed last are shown; --limit or --json gives more.")


@app.command(epilog=example("feedline orders show 902-3159896-1390916"))
def show(
    order: Annotated[str, typer.Argument(metavar="ID", help="Amazon's order id.")],
    *,
    connection: Annotated[str | None, typer.Option(help="The connection, where several have the order.")] = None,
    as_json: Json = False,
) -> None:
    """Show one order with what the template made, personal data included: it is decrypted for you, so mind who looks on.

    Personal data is erased 30 days after the order was shipped or cancelled.
    """
    from worker.store.orders import shown

    found_settings = settings()
    with database(found_settings) as opened, snapshot(opened) as tx:
        found = shown(tx, found_settings.vault(), order, connection=connection)
    if not found:
        raise FeedlineError(f"There is no order {order}. Get it with: feedline run get-orders --connection NAME --order {order} --wait")
    if len(found) > 1:
        raise UsageError(f"Several connections have the order {order}. Name one: --connection {found[0]['connection']!r}")
    if as_json:
        emit(found[0])
    else:
        _show(found[0])


def _show(order: Mapping[str, Any]) -> None:
    facts(
        (
            ("Order", order["amazon_order_id"]),
            ("Connection", order["connection"]),
            ("Status", order["status"]),
            ("Purchased", order["purchased_at"]),
            ("Updated", order["updated_at"]),
            ("Closed", order["closed_at"]),
            ("Total", None if order["total"] is None else f"{order['total']} {order['currency'] or ''}".strip()),
            ("Imported", order["imported_at"]),
            ("Changes", order["changes"]),
            ("Personal data", None if order["personal_data_erased_at"] is None else f"erased at {order['personal_data_erased_at']}"),
        )
    )
    say("")
    table(("item", "SKU", "quantity"), ((item["amazon_order_item_id"], item["sku"], item["quantity"]) for item in order["items"]))
    say("")
    mapped = sorted(order["mapped"].items())
    table(("target", "value"), ((target, told(value)) for target, value in mapped), empty="The template maps nothing of it.")
    for each in order["unmapped"]:
        why = each.get("message") or each["code"] + (f" in {each['field']}" if each["field"] else "")
        note(f"{each['target']} got nothing: {why}")


def _item(item: Mapping[str, Any]) -> str:
    return f"{item['quantity']} of {item['sku'] or item['amazon_order_item_id']}"
