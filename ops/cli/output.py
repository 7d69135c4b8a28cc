"""What commands print: tables and progress for people, exact JSON for programs.

Results go to stdout. What is said beside them (notes, progress) goes to stderr, so that a pipe holds results only.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

import typer

from worker.clock import Clock
from worker.core.json import JsonValue, encode

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
"""The option of every reading command: `def status(*, as_json: Json = False)`."""

PROGRESS_EVERY_SECONDS: Final = 5
"""How often progress is told where stderr is not a terminal."""

Cell = str | int | Decimal | datetime | bool | None


def emit(value: JsonValue) -> None:
    """Print *value* as one line of JSON; Decimals digit by digit, datetimes as RFC 3339."""
    sys.stdout.write(encode(value).decode() + "\n")


def emit_lines(values: Iterable[JsonValue]) -> None:
    """Print one line of JSON for every value, each as soon as it is known."""
    for value in values:
        emit(value)


def say(text: str) -> None:
    """Print a line of result."""
    sys.stdout.write(printable(text) + "\n")


def note(text: str) -> None:
    """Print a line that is not the result."""
    sys.stderr.write(printable(text) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, empty: str = "Nothing.") -> None:
    """Print *rows* below *columns*. In a terminal they are fitted to its width; in a pipe nothing is cut off.

    Numbers stand at the right. *empty* is printed in place of a table without rows.
    """
    shown = [[_cell(value) for value in row] for row in rows]
    if not shown:
        say(empty)
        return
    numbers = [all(_is_number(row[at]) for row in shown) and any(row[at] for row in shown) for at in range(len(columns))]
    (_fitted if sys.stdout.isatty() else _plain)(columns, shown, numbers)


def facts(pairs: Iterable[tuple[str, Cell]]) -> None:
    """Print names and values, one pair a line; pairs without a value are left out."""
    shown = [(name, _cell(value)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        say(f"{name:<{width}}  {value}")


@contextmanager
def progress(doing: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Tell on stderr how far long work is. Yields `advance(n)`. *total*: how many there are, None when nobody knows."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=Console(stderr=True)
        )
        with bar:
            task = bar.add_task(doing, total=total)
            yield lambda n: bar.advance(task, n)
        return
    told = _Told(doing, total)
    yield told.advance
    told.end()


class _Told:
    """Progress as lines of text, at most one in `PROGRESS_EVERY_SECONDS`, and none for work that is soon done."""

    def __init__(self, doing: str, total: int | None) -> None:
        self._doing, self._total, self._done, self._clock = doing, total, 0, Clock()
        self._told_at = self._clock.monotonic()
        self._told = False

    def advance(self, n: int) -> None:
        self._done += n
        if self._clock.monotonic() - self._told_at >= PROGRESS_EVERY_SECONDS:
            self._tell()

    def end(self) -> None:
        if self._told:
            self._tell()

    def _tell(self) -> None:
        self._told_at, self._told = self._clock.monotonic(), True
        note(f"{self._doing}: {self._done:,}" + ("" if self._total is None else f" of {self._total:,}"))


def printable(text: str) -> str:
    r"""Return *text* with control characters written out (`\x1b`): an upstream's SKU must not steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def _cell(value: Cell) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case _:
            return printable(str(value)).replace("\n", "\\n")


def _is_number(text: str) -> bool:
    return text == "" or text.replace(",", "").removeprefix("-").replace(".", "", 1).isdigit()


def _fitted(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for at, (name, is_number) in enumerate(zip(columns, numbers, strict=True)):
        # A number in two pieces cannot be copied, and an id is what the next command is given.
        whole = max(len(row[at]) for row in rows) if is_number else None
        drawn.add_column(Text(name.upper(), style="bold"), justify="right" if is_number else "left", overflow="fold", min_width=whole)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn, crop=False)  # what does not fit at all, the terminal breaks: nothing is lost


def _plain(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool]) -> None:
    heads = [name.upper() for name in columns]
    widths = [max(len(line[at]) for line in (heads, *rows)) for at in range(len(heads))]
    for line in (heads, *rows):
        padded = (
            cell.rjust(width) if is_number else cell.ljust(width) for cell, width, is_number in zip(line, widths, numbers, strict=True)
        )
        sys.stdout.write("  ".join(padded).rstrip() + "\n")
