"""`feedline keys`: the keys under which credentials and personal data rest."""

import typer

from ops.cli import example
from ops.cli.output import Json, emit, facts, note, progress
from ops.cli.session import database, settings

app = typer.Typer(no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Look after the keys that credentials and personal data are sealed under."""


@app.command(epilog=example("feedline keys rotate"))
def rotate(*, as_json: Json = False) -> None:
    """Seal everything anew under the newest key, the first of FEEDLINE_SECRET_KEYS.

    First put the new key in front of the old one in the settings of every worker, and start them anew: they read both and write the
    new one. Then rotate; workers may go on meanwhile. When it ends with exit code 0, the old key may be taken away. Values that none of
    the keys opens are named, and make the exit code 1. It may be stopped and begun again at any time.
    """
    from worker.store import sealed

    found = settings()
    vault = found.vault()
    with database(found) as opened, progress("Sealing anew") as advance:
        done = {str(column): sealed.renew(opened, vault, column, advance) for column in sealed.COLUMNS}
    unreadable = [f"{column} {key}" for column, each in done.items() for key in each.unreadable]
    renewed = sum(each.renewed for each in done.values())
    seen = sum(each.seen for each in done.values())
    if as_json:
        columns = {column: {"sealed": each.seen, "renewed": each.renewed} for column, each in done.items()}
        emit({"sealed": seen, "renewed": renewed, "unreadable": unreadable, "columns": columns})
    else:
        facts((("Sealed", seen), ("Renewed", renewed), ("Unreadable", len(unreadable))))
        for each in unreadable:
            note(f"{each}: none of FEEDLINE_SECRET_KEYS opens it. Add the key that it was stored under, and rotate again.")
    if unreadable:
        raise typer.Exit(1)
