"""`feedline db`: the database's schema."""

import typer

from ops.cli import example
from ops.cli.output import Json, emit, say
from ops.cli.session import settings

app = typer.Typer(help="Look after the database's schema.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Look after the database's schema."""


@app.command(epilog=example("feedline db upgrade"))
def upgrade(*, as_json: Json = False) -> None:
    """Bring the database to the newest schema.

    Comes before the first worker of a new release. Running it again, or twice at once, is harmless.
    """
    found = settings()
    from schema.migrate import upgrade as migrate

    before, after = migrate(found.database_url.get_secret_value())
    if as_json:
        emit({"from": before, "to": after})
    elif before == after:
        say(f"The schema is already at revision {after}.")
    else:
        say(f"The schema went from {'nothing' if before is None else f'revision {before}'} to revision {after}.")
