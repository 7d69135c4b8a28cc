"""`feedline producttype`: find the right product type, and set it where Amazon's own is missing or wrong."""

from difflib import get_close_matches
from typing import Annotated

import typer

from ops.cli import example
from ops.cli.output import Json, emit, emit_lines, say, table
from ops.cli.session import context
from worker.errors import FeedlineError

app = typer.Typer(help="Search Amazon's product types, or set a SKU's.", no_args_is_help=True)

ConnectionOption = Annotated[str, typer.Option("--connection", help="The connection whose seller and marketplace are meant.")]


@app.callback()
def _group() -> None:
    """Search Amazon's product types, or set a SKU's."""


@app.command(epilog=example('feedline producttype search mug --connection "US shop"'))
def search(
    keyword: Annotated[str, typer.Argument(metavar="KEYWORD", help="A word of what the product is.")],
    *,
    connection: ConnectionOption,
    as_json: Json = False,
) -> None:
    """Search Amazon's product types by a keyword."""
    from worker.store import connections

    with context() as ctx:
        with ctx.database.begin() as tx:
            seller = connections.by_name(tx, connection).seller
        found = ctx.amazon.search_product_types(seller, [keyword])
    if as_json:
        emit_lines({"product_type": each.name, "name": each.display_name} for each in found)
    else:
        table(
            ("product type", "name"), [(each.name, each.display_name) for each in found], empty=f"Amazon has no product type for {keyword}."
        )


@app.command("set", epilog=example('feedline producttype set MUG-01 DRINKING_CUP --connection "US shop"'))
def set_(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="The SKU, with or without the connection's prefix.")],
    product_type: Annotated[str, typer.Argument(metavar="TYPE", help="Amazon's name of the product type, as the search shows it.")],
    *,
    connection: ConnectionOption,
    as_json: Json = False,
) -> None:
    """Set the product type of a SKU, in place of Amazon's answer or the fallback PRODUCT.

    Amazon is asked whether there is such a type. What was rejected for the old one goes again with `feedline run sync-listings`.
    """
    from worker.core.connections import from_amazon
    from worker.store import connections
    from worker.store.product_types import set_by_hand

    with context() as ctx:
        with ctx.database.begin() as tx:
            found = connections.by_name(tx, connection)
        names = [each.name for each in ctx.amazon.search_product_types(found.seller, [])]
        if product_type not in names:
            near = ", ".join(get_close_matches(product_type.upper(), names))
            but = f", but {near}" if near else ""
            how = f'feedline producttype search KEYWORD --connection "{connection}"'
            raise FeedlineError(f"Amazon has no product type {product_type} there{but}. Search with: {how}")
        key = from_amazon(sku, found.settings.sku_prefix)
        with ctx.database.begin() as tx:
            before = set_by_hand(tx, found.id, key, product_type)
    if as_json:
        emit({"connection": connection, "sku": key, "product_type": product_type, "before": None if before is None else before._asdict()})
    else:
        was = "" if before is None else f" in place of {before.product_type} ({before.source})"
        again = f'feedline run sync-listings --connection "{connection}"'
        say(f"{key}: product type {product_type}{was}. What Amazon refused goes again with: {again}")
