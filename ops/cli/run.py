"""`feedline run`: an import, an order pull or a re-sync of one connection, now."""

import sys
from collections.abc import Mapping
from shutil import get_terminal_size
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ops.cli.output import Cell, Json, emit, facts, note, printable, say
from ops.cli.session import database
from worker.clock import Clock
from worker.errors import UsageError

if TYPE_CHECKING:
    from worker.database import Database

LOOK_SECONDS: Final = 0.5
"""How often --wait looks at the run's row."""

TELL_SECONDS: Final = 5
"""How often progress is told where stderr is not a terminal."""

NOBODY_SECONDS: Final = 10
"""A run that nobody has taken up for so long makes us ask whether there is a worker."""


def run(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="import-listings, get-orders, sync-listings or sync-orders.")],
    *,
    connection: Annotated[str, typer.Option(help="The connection's name.")],
    order: Annotated[str | None, typer.Option(metavar="ID", help="get-orders: only this order, by Amazon's order id.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end, and show how far it is.")] = False,
    as_json: Json = False,
) -> None:
    """Run an import, an order pull or a re-sync now: the same way as by schedule.

    A worker does the work; the command asks for it, and with --wait prints the summary. Refused, with exit code 1, while a run of
    the kind is under way (one for the same order, with --order), and for a connection that is paused or not authorised. Exit code 1,
    too, when the run that was waited for has failed. Whoever stops waiting does not stop the run.
    """
    from worker.core.runs import RunKind, Trigger
    from worker.steps.run import RUN_STEPS, RunRefused, ask
    from worker.store import runs

    if kind not in RUN_STEPS:
        raise UsageError(f"There is no run {kind!r}. Say one of: {', '.join(RUN_STEPS)}.")
    if order is not None and kind != RunKind.GET_ORDERS:
        raise UsageError(f"--order goes with {RunKind.GET_ORDERS}.")
    if order is not None and not order.strip():
        raise UsageError("--order is empty. Name an order by Amazon's order id.")
    arguments = {} if order is None else {"order": order}
    with database() as opened:
        try:
            with opened.begin() as tx:
                run_id = ask(tx, connection, kind, Trigger.MANUAL, arguments=arguments)
        except RunRefused as refused:
            if not as_json:
                raise
            found = refused.issue
            emit({name: getattr(found, name) for name in ("code", "field", "value", "message", "remedy")})
            raise typer.Exit(1) from None
        if wait:
            shown = _ended(opened, run_id)
        else:
            with opened.begin() as tx:
                shown = runs.shown(tx, run_id)
    if as_json:
        emit(as_summary(shown))
    elif wait:
        _show(shown)
    else:
        say(f"Run {run_id} is queued. See how far it is with: feedline runs --connection {connection!r}")
    if shown["state"] == "failed":
        raise typer.Exit(1)


def as_summary(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's summary with what the run was."""
    return {**{name: shown[name] for name in ("run_id", "connection", "kind", "trigger", "state", "fault")}, **shown["summary"]}


def _ended(opened: "Database", run_id: int) -> dict[str, Any]:
    """Look at the run until it has ended, and tell on stderr how far it is."""
    from worker.store import runs

    clock, progress, never = Clock(), _Progress(), Event()
    while True:
        with opened.begin() as tx:
            shown = runs.shown(tx, run_id)
        progress.tell(shown, ended=shown["finished_at"] is not None)
        if shown["finished_at"] is not None:
            return shown
        clock.wait(never, LOOK_SECONDS)


class _Progress:
    """One line that is written over in a terminal; else a line now and then, when something has changed."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._began = self._told_at = self._clock.monotonic()
        self._told, self._warned, self._in_terminal = "", False, sys.stderr.isatty()

    def tell(self, shown: Mapping[str, Any], *, ended: bool) -> None:
        now, line = self._clock.monotonic(), _line(shown)
        if self._in_terminal:
            self._write_over("" if ended else printable(line)[: get_terminal_size().columns - 1])
        elif line != self._told and not ended and now - self._told_at >= TELL_SECONDS:
            self._told, self._told_at = line, now
            note(line)
        if shown["state"] == "queued" and not self._warned and now - self._began >= NOBODY_SECONDS:
            self._warned = True
            if self._in_terminal:
                self._write_over("")
            note("No worker has taken the run up yet. Is one running? Start it with: feedline worker")

    def _write_over(self, line: str) -> None:
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()


def _line(shown: Mapping[str, Any]) -> str:
    done = ", ".join(f"{name} {value:,}" for name, value in shown["summary"].items() if isinstance(value, int) and value)
    state = "paused" if shown["paused"] else shown["state"]
    return f"{shown['kind']} {state}" + (f": {done}" if done else "") + (f" ({shown['fault']})" if shown["fault"] else "")


def _show(shown: Mapping[str, Any]) -> None:
    pairs: list[tuple[str, Cell]] = [
        ("Run", shown["run_id"]),
        ("Kind", shown["kind"]),
        ("State", shown["state"]),
        ("Fault", shown["fault"]),
        *((name.replace("_", " ").capitalize(), told(value)) for name, value in shown["summary"].items()),
    ]
    facts(pairs)


def told(value: Any) -> str | None:  # noqa: ANN401  # JSON
    """Return one entry of a summary in a line; None for what is empty."""
    if isinstance(value, Mapping):
        shown = ((name, told(each)) for name, each in value.items())
        return ", ".join(f"{name} {each}" for name, each in shown if each is not None) or None
    if isinstance(value, list):
        return ", ".join(str(told(each)) for each in value) or None
    return None if value is None else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
