"""The command `feedline`: its frame. Every command lives in a module of its own, imported when it is run.

`COMMANDS` is the one list of them. A foreseeable fault ends in one sentence on stderr and an exit code: 0 done, 1 the work
failed, 2 wrong usage or settings, 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from ops.cli.faults import sentence
from worker.errors import FeedlineError, UsageError


class Entry(NamedTuple):
    """One command: `implementation` is `module:attribute`, a function or a Typer app of further commands."""

    name: str
    implementation: str
    summary: str
    example: str


COMMANDS: Final = (
    Entry("worker", "ops.cli.worker:worker", "Run the daemon that turns messages into feeds.", "feedline worker --processes 2 --threads 8"),
    Entry("status", "ops.cli.status:status", "Show what waits, what is under way, what is wrong.", "feedline status"),
    Entry("trace", "ops.cli.trace:trace", "Tell the history of one message or of a SKU.", "feedline trace sku:MUG-01"),
    Entry(
        "results",
        "ops.cli.results:results",
        "List what became of a connection's messages.",
        'feedline results --connection "US shop" --outcome rejected',
    ),
    Entry(
        "run",
        "ops.cli.run:run",
        "Run an import, an order pull or a re-sync now.",
        'feedline run sync-listings --connection "US shop" --wait',
    ),
    Entry("runs", "ops.cli.runs:runs", "List the runs, by hand and by schedule.", 'feedline runs --connection "US shop"'),
    Entry(
        "listings",
        "ops.cli.listings:listings",
        "List the imported listings of a connection.",
        'feedline listings --connection "US shop" --json',
    ),
    Entry("feeds", "ops.cli.feeds:app", "List the feeds, or show one.", "feedline feeds show 42"),
    Entry(
        "orders",
        "ops.cli.orders:app",
        "List the imported orders, or show one with its personal data.",
        'feedline orders --connection "US shop"',
    ),
    Entry("rejected", "ops.cli.rejected:app", "List the refused deliveries, or show one.", "feedline rejected list"),
    Entry(
        "connection",
        "ops.cli.connection:app",
        "Describe, test, pause and resume seller connections.",
        "feedline connection apply -f connections.yaml",
    ),
    Entry(
        "publish",
        "ops.cli.publish:publish",
        "Publish a file of messages to RabbitMQ.",
        'feedline publish inventory -f stock.jsonl --connection "US shop"',
    ),
    Entry(
        "preview",
        "ops.cli.preview:preview",
        "Render and explain a file of messages; send nothing.",
        'feedline preview inventory -f stock.jsonl --connection "US shop"',
    ),
    Entry(
        "producttype",
        "ops.cli.producttype:app",
        "Search Amazon's product types, or set a SKU's.",
        'feedline producttype search mug --connection "US shop"',
    ),
    Entry(
        "carrier",
        "ops.cli.carrier:app",
        "Explain carriers, or try another setting on stored shipments.",
        "feedline carrier explain 1ZXX3150YW44070023",
    ),
    Entry("keys", "ops.cli.keys:app", "Look after the keys that secrets and personal data are sealed under.", "feedline keys rotate"),
    Entry("db", "ops.cli.db:app", "Look after the database's schema.", "feedline db upgrade"),
    Entry(
        "settings", "ops.cli.settings:settings", "List every setting with its value, default and meaning.", "feedline settings --new-key"
    ),
    Entry("doctor", "ops.cli.doctor:doctor", "Check all that Feedline needs, and say what to do.", "feedline doctor"),
    Entry(
        "simulator", "ops.cli.simulator:simulator", "Serve Amazon's SP-API on localhost, to try things.", "feedline simulator --port 8090"
    ),
)


def main() -> None:
    """Run `feedline` with the process's arguments, and exit."""
    try:
        _refuse_what_is_no_text(sys.argv[1:])
        command().main(prog_name="feedline")
    except Exception as error:
        explanation = sentence(error)
        if explanation is None:
            raise
        print(explanation, file=sys.stderr)
        _leave(error.exit_code if isinstance(error, FeedlineError) else 1)
    except SystemExit as ended:
        _leave(ended.code if isinstance(ended.code, int) else 0)


def command() -> TyperGroup:
    """Return the whole of `feedline`, its commands not yet imported."""
    group = typer.main.get_group(_root)
    for entry in COMMANDS:
        group.add_command(_Imported(entry))
    return group


_root = typer.Typer(
    name="feedline",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text: it can be searched, and rich stays out of `--help`
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings come from FEEDLINE_* variables or from .env; `feedline settings` lists them.\n\n\b\nExample:\n  feedline doctor",
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  # typer's callback
    if wanted:
        from worker.version import version

        typer.echo(f"feedline {version()}")
        raise typer.Exit


@_root.callback()
def _feedline(
    *,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Feedline takes listing, inventory and shipment messages from RabbitMQ to Amazon, and says what became of each."""


class _Imported(TyperCommand):
    """A command that stands in `feedline --help` and is imported when it is used."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(name=entry.name, callback=None, help=entry.summary, rich_markup_mode=None)
        self._entry = entry

    def make_context(self, *given: Any, **further: Any) -> Any:  # noqa: ANN401  # typer keeps these types to itself
        return implementation(self._entry).make_context(*given, **further)


def implementation(entry: Entry) -> TyperCommand | TyperGroup:
    """Import the command *entry*, its example below its help. The commands of an app bring their own."""
    module, _, attribute = entry.implementation.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None
        found.info.name = entry.name
        group = typer.main.get_group(found)
        group.epilog = group.epilog or example(entry.example)
        loaded: object = group
    else:
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(entry.name, epilog=example(entry.example))(found)
        loaded = typer.main.get_command(alone)
    assert isinstance(loaded, (TyperCommand, TyperGroup))
    return loaded


def example(line: str) -> str:
    """Return *line* as the epilog of a command's help: `@app.command(epilog=example("feedline db upgrade"))`."""
    return f"\b\nExample:\n  {line}"


def _refuse_what_is_no_text(arguments: Sequence[str]) -> None:
    """Raise UsageError for bytes that are no text: neither Postgres nor JSON could hold them."""
    for number, argument in enumerate(arguments, 1):
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise UsageError(f"Argument {number} is not UTF-8. Say it in the encoding of your locale, best UTF-8.")


def _leave(code: int) -> None:
    """Exit with *code*. A reader that closed the pipe (`feedline results | head`) is no fault worth a word."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
