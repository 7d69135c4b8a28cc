"""`feedline listings`: what Amazon reported of a connection's listings."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ops.cli.output import Json, emit_lines, note, table
from ops.cli.reading import Limit, limited, snapshot
from ops.cli.session import database

if TYPE_CHECKING:
    from worker.database import Database
    from worker.store.imported_listings import BrokenLine, Listing


def listings(
    *,
    connection: Annotated[str, typer.Option(help="The connection's name.")],
    broken: Annotated[bool, typer.Option("--broken", help="List the lines of the newest report that could not be read.")] = False,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List the imported listings of a connection, by SKU; without those that its newest report has no more.

    With --json, one JSON object: {"Listings": [{"SKU", "Title"}]}; with --broken one line of JSON for each broken line.
    """
    most = limited(limit, as_json=as_json)
    with database() as opened:
        connection_id = _id(opened, connection)
        if broken:
            found = _broken(opened, connection_id)[:most]
            if as_json:
                emit_lines(each._asdict() for each in found)
            else:
                table(("line", "what is wrong", "text"), found, empty="No broken lines.")
            return
        if as_json:
            _emit(_listings(opened, connection_id, most))
            return
        shown = list(_listings(opened, connection_id, most))
    table(("sku", "title"), shown, empty="No listings. Import them with: feedline run import-listings --connection NAME --wait")
    if limit is None and len(shown) == most:
        note(f"Only the first {most} are shown; --limit or --json gives more.")


def _emit(found: "Iterator[Listing]") -> None:
    """Print one object, a listing at a time: there may be millions."""
    from worker.core.json import encode

    separator = ""
    sys.stdout.write('{"Listings":[')
    for listing in found:
        sys.stdout.write(separator + encode({"SKU": listing.sku, "Title": listing.title}).decode())
        separator = ",\n"
    sys.stdout.write("]}\n")


def _id(opened: "Database", connection: str) -> int:
    from worker.store import connections

    with snapshot(opened) as tx:
        return connections.by_name(tx, connection).id


def _listings(opened: "Database", connection_id: int, limit: int | None) -> "Iterator[Listing]":
    """Yield page by page, each in a transaction of its own: whoever reads slowly holds nothing up."""
    from worker.store import imported_listings

    after, left = None, limit
    while left is None or left > 0:
        page_size = imported_listings.AT_ONCE if left is None else min(left, imported_listings.AT_ONCE)
        with snapshot(opened) as tx:
            page = imported_listings.listed(tx, connection_id, after=after, at_most=page_size)
        yield from page
        if len(page) < page_size:
            return
        after, left = page[-1].sku, None if left is None else left - len(page)


def _broken(opened: "Database", connection_id: int) -> "list[BrokenLine]":
    from worker.store import imported_listings

    with snapshot(opened) as tx:
        return imported_listings.broken_lines(tx, connection_id)
