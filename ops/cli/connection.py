"""`feedline connection`: describe, test, pause and resume seller connections."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.cli import example
from ops.cli.faults import of_amazon
from ops.cli.output import Json, emit, emit_lines, facts, note, say, table
from ops.cli.session import context, database, settings

if TYPE_CHECKING:
    from worker.connection_file import ParsedConnection
    from worker.core.connections import Connection
    from worker.core.json import JsonObject
    from worker.store.connections import Change

app = typer.Typer(help="Describe, test, pause and resume seller connections.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The connection's name.", metavar="NAME")]


@app.callback()
def _group() -> None:
    """Describe, test, pause and resume seller connections."""


@app.command(epilog=example("feedline connection apply -f connections.yaml"))
def apply(
    *,
    file: Annotated[Path, typer.Option("--file", "-f", exists=True, dir_okay=False, help="The connection file, YAML or JSON.")],
    check: Annotated[bool, typer.Option("--check", help="Only print what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Make the stored connections what the file says, and print what that changes.

    Applying it again changes nothing, but that Amazon is asked at once for access that it has refused before. Connections
    that are not in the file stay as they are. A file with faults is refused as a whole: every fault is printed with its line.
    """
    from worker.connection_file import FileRefused

    try:
        parsed = _parsed(file)
        changes = _applied(parsed, check=check)
    except FileRefused as refused:
        if as_json:
            emit({"file": str(file), "faults": [{"line": fault.line, **_fields(fault.issue)} for fault in refused.faults]})
        else:
            for fault in refused.faults:
                note(f"{file}:{fault}")
            note(f"{len(refused.faults)} {'fault' if len(refused.faults) == 1 else 'faults'}; nothing was stored.")
        raise typer.Exit(1) from None
    if as_json:
        emit({"file": str(file), "stored": not check, "changes": [change._asdict() for change in changes]})
        return
    for change in changes:
        say(f"{change.connection}: {change.what}")
    if not changes:
        say(f"Nothing changes: {len(parsed)} {'connection is' if len(parsed) == 1 else 'connections are'} as the file says.")
    elif check:
        note("Nothing was stored: --check only prints.")


@app.command("list", epilog=example("feedline connection list"))
def list_(*, as_json: Json = False) -> None:
    """List the connections."""
    rows = _overviews()
    if as_json:
        emit_lines(rows)
        return
    table(
        ("connection", "state", "marketplace", "seller", "channel", "SKU prefix", "revision"),
        [
            (
                row["name"],
                row["state"],
                f"{row['country']} {row['marketplace_id']}",
                row["selling_partner_id"],
                row["fulfillment_channel"],
                row["sku_prefix"],
                row["revision"],
            )
            for row in rows
        ],
        empty="No connections. Describe one in a file, then: feedline connection apply -f connections.yaml",
    )


@app.command(epilog=example('feedline connection show "US shop"'))
def show(name: NameArgument, *, as_json: Json = False) -> None:
    """Show one connection with its templates, rules and mapping sets; never its secrets."""
    from worker.store import connections

    with database() as opened, opened.begin() as tx:
        found = connections.by_name(tx, name)
        faults = connections.authorization_faults(tx)
    overview = _overview(found, faults)
    entry = found.settings.model_dump(by_alias=True)
    if as_json:
        emit({**overview, "settings": entry})
        return
    facts(overview.items())
    say("")
    say(_yaml(entry))


@app.command(epilog=example('feedline connection duplicate "US shop" "US shop, trial"'))
def duplicate(name: NameArgument, new: Annotated[str, typer.Argument(help="The copy's name.", metavar="NEW")]) -> None:
    """Copy a connection under a new name, paused: to try a template without sending."""
    from pydantic import ValidationError

    from worker.errors import UsageError
    from worker.store import connections

    with database() as opened, opened.begin() as tx:
        try:
            connections.duplicate(tx, name, new)
        except ValidationError as error:
            if any(fault["loc"] != ("name",) for fault in error.errors()):
                raise
            raise UsageError("NEW is not a name: 1 to 128 printable characters, without spaces at its ends.") from None
    say(f"{new}: created as a copy of {name}, paused")


@app.command(epilog=example('feedline connection pause "US shop"'))
def pause(name: NameArgument) -> None:
    """Stop sending for a connection. Messages are still taken in; they are held until it is resumed."""
    from worker.store import connections

    with database() as opened, opened.begin() as tx:
        changed = connections.pause(tx, name)
    say(f"{name}: {'paused' if changed else 'was paused already'}")


@app.command(epilog=example('feedline connection resume "US shop"'))
def resume(name: NameArgument) -> None:
    """Send for a connection again."""
    from worker.store import connections, flights

    with database() as opened, opened.begin() as tx:
        changed = connections.resume(tx, name)
        released = flights.release_failing(tx, connections.by_name(tx, name).id)
    say(f"{name}: {'resumed' if changed else 'was not paused'}")
    if released:
        say(f"{name}: {released} changes that were held (feeds_failing) go again")


@app.command("test", epilog=example('feedline connection test "US shop"'))
def ask_amazon(name: NameArgument, *, as_json: Json = False) -> None:
    """Ask Amazon whether the connection's credentials and marketplace are good. Changes nothing.

    It logs in anew, whatever the workers know. Where they have given a connection up that is good again, `connection apply` has
    them ask Amazon at once. Exit code 1 when they are not, or when Amazon cannot be asked.
    """
    with context() as ctx:
        from worker.amazon.login import OPERATION
        from worker.errors import AmazonError
        from worker.store import connections

        with ctx.database.begin() as tx:
            connection = connections.by_name(tx, name)
        sells_in: list[str] = []
        fault: str | None = None
        token = True
        try:
            sells_in = ctx.amazon.try_out(connection.seller.account)
        except AmazonError as error:
            fault, token = of_amazon(error), error.operation != OPERATION
    marketplace = connection.marketplace
    if fault is None and marketplace.id not in sells_in:
        fault = f"the seller does not sell in {marketplace.id} ({marketplace.country}). Correct marketplace_id, or join the marketplace."
    if as_json:
        emit({"connection": name, "ok": fault is None, "token": token, "marketplaces": sells_in, "fault": fault})
    else:
        facts(
            (
                ("connection", name),
                ("access token", "obtained" if token else "not obtained"),
                ("marketplace", f"{marketplace.id} ({marketplace.country})"),
                ("seller sells in", ", ".join(sells_in) or None),
                ("result", "good" if fault is None else f"failed: {fault}"),
            )
        )
    if fault is not None:
        raise typer.Exit(1)


def _parsed(file: Path) -> tuple[ParsedConnection, ...]:
    from worker.connection_file import FileFault, FileRefused, parse
    from worker.core.issues import issue

    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.read_bytes().count(b"\n", 0, error.start) + 1
        raise FileRefused([FileFault(line, issue("FILE_INVALID", reason="it is not UTF-8."))]) from None
    return parse(text, environment=os.environ, folder=file.parent)


def _applied(parsed: tuple[ParsedConnection, ...], *, check: bool) -> list[Change]:
    """Apply in one transaction, which a check rolls back."""
    from worker.store import connections

    found = settings()
    with database(found) as opened, opened.engine.connect() as tx:
        changes = connections.apply(tx, found.vault(), parsed, found.lwa_client_id)
        if check:
            tx.rollback()
        else:
            tx.commit()
    return changes


def _fields(fault: Any) -> dict[str, Any]:  # noqa: ANN401  # an Issue, whose module is imported late
    return {name: getattr(fault, name) for name in ("code", "field", "value", "message", "remedy")}


def _overviews() -> list[JsonObject]:
    from worker.store import connections

    with database() as opened, opened.begin() as tx:
        faults = connections.authorization_faults(tx)
        return [_overview(found, faults) for found in connections.all(tx)]


def _overview(found: Connection, faults: Any) -> dict[str, Any]:  # noqa: ANN401  # by AccountId, imported late
    fault = faults.get(found.seller.account.id)
    return {
        "name": found.name,
        "state": "paused" if found.paused else "not_authorized" if fault else "ready",
        "authorization_fault": fault,
        "marketplace_id": found.marketplace.id,
        "country": found.marketplace.country,
        "region": found.marketplace.region.value,
        "currency": found.marketplace.currency,
        "selling_partner_id": found.seller.account.selling_partner_id,
        "client_id": found.seller.account.client_id,
        "fulfillment_channel": found.settings.fulfillment_channel,
        "sku_prefix": found.settings.sku_prefix,
        "revision": found.revision,
    }


def _yaml(entry: dict[str, Any]) -> str:
    """Return the settings as the connection file would say them, its secrets left out."""
    from decimal import Decimal
    from io import StringIO

    from ruamel.yaml import YAML

    writer = YAML(typ="rt", pure=True)
    writer.representer.add_representer(Decimal, lambda to, value: to.represent_scalar("tag:yaml.org,2002:float", format(value, "f")))
    writer.representer.add_representer(tuple, lambda to, value: to.represent_list(list(value)))
    rules, mapping_sets = entry.pop("rules"), entry.pop("mapping_sets")
    written = StringIO()
    writer.dump({"version": 1, "connections": [entry], "mapping_sets": mapping_sets, "rules": list(rules.values())}, written)
    return written.getvalue().rstrip()
