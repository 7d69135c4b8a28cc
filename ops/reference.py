"""`python -m ops.reference`: write docs/reference from what the program itself knows, so that the pages cannot be wrong."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parents[1] / "docs" / "reference"
REFRESH: Final = "python -m ops.reference"


WIDTH: Final = 100
"""Characters of a line of help: a terminal's own width would be the writer's, not the reader's."""


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        (FOLDER / name).write_text(page(name), encoding="utf-8")
        print(f"docs/reference/{name}")
    return 0


def page(name: str) -> str:
    """Return the page of that file name. Raises KeyError."""
    return f"<!-- Made by: {REFRESH} -->\n" + "\n".join(PAGES[name]()) + "\n"


def _settings() -> Iterator[str]:
    from worker.settings import Settings

    yield "# Settings\n"
    yield "Environment variables, or the same names in a file `.env` beside the process; the environment goes first. `feedline settings`"
    yield "shows those in force, without secrets.\n"
    rows = []
    for field, about in Settings.model_fields.items():
        default = "required" if about.is_required() else "" if about.default is None else f"`{about.default}`"
        rows.append((f"`FEEDLINE_{field.upper()}`", about.description or "", default))
    yield from _table(("variable", "meaning", "default"), rows)


def _metrics() -> Iterator[str]:
    from worker.metrics import CATALOGUE, Source

    yield "# Metrics\n"
    yield "Served at `/metrics`. Those of the *instance* are its processes added up: sum them over instances. Those of the *fleet* are read"
    yield "from Postgres, the same by every instance: take `max`, not `sum`.\n"
    rows = [
        (
            f"`{metric.name}`",
            metric.kind.value,
            ", ".join(f"`{label}`" for label in metric.labels),
            "fleet" if metric.source is Source.DATABASE else "instance",
            metric.help,
        )
        for metric in CATALOGUE.values()
    ]
    yield from _table(("metric", "kind", "labels", "of", "meaning"), rows)


def _faults() -> Iterator[str]:
    from worker.core.issues import FAULTS

    yield "# Faults\n"
    yield "The codes by which Feedline itself refuses a message or warns of it. A code keeps its meaning."
    yield "`{words}` stand for the case at hand.\n"
    rows = [(f"`{fault.code}`", fault.severity.value.lower(), fault.says, fault.do) for fault in FAULTS.values()]
    yield from _table(("code", "severity", "says", "remedy"), rows)


def _commands() -> Iterator[str]:
    import typer
    from typer.core import TyperCommand, TyperGroup

    from ops.cli import COMMANDS, implementation

    def described(line: str, found: object) -> Iterator[str]:
        assert isinstance(found, (TyperCommand, TyperGroup))
        with typer.Context(found, info_name=line, terminal_width=WIDTH, max_content_width=WIDTH) as context:
            yield f"## {line}\n"
            yield "```text\n" + found.get_help(context).replace("\b", "").rstrip() + "\n```\n"
        for name, below in getattr(found, "commands", {}).items():
            yield from described(f"{line} {name}", below)

    yield "# Commands\n"
    yield "Exit codes: 0 done, 1 the work failed, 2 wrong usage or settings, 130 interrupted.\n"
    for entry in COMMANDS:
        yield from described(f"feedline {entry.name}", implementation(entry))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"


PAGES: Final[Mapping[str, Callable[[], Iterator[str]]]] = {
    "settings.md": _settings,
    "metrics.md": _metrics,
    "faults.md": _faults,
    "commands.md": _commands,
}

if __name__ == "__main__":
    sys.exit(main())
