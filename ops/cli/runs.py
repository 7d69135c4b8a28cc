"""`feedline runs`: the runs, by hand, by schedule and by message, with their summaries."""

from typing import Annotated

import typer

from ops.cli.output import Json, emit_lines, note, table
from ops.cli.reading import Limit, limited, reading
from ops.cli.run import told
from worker.errors import UsageError


def runs(
    *,
    connection: Annotated[str | None, typer.Option(help="Only this connection's.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, as get-orders.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state: queued, running, done or failed.")] = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List the runs, the newest first, with what they did.

    With --json, one line of JSON a run.
    """
    from worker.core.runs import RunKind, RunState
    from worker.store import connections
    from worker.store.runs import listed

    if kind is not None and kind not in set(RunKind):
        raise UsageError(f"There is no kind {kind!r}. Say one of: {', '.join(RunKind)}.")
    if state is not None and state not in set(RunState):
        raise UsageError(f"There is no state {state!r}. Say one of: {', '.join(RunState)}.")
    most = limited(limit, as_json=as_json)
    with reading() as tx:
        if connection is not None:
            connections.by_name(tx, connection)
        streamed = listed(
            tx,
            connection=connection,
            kind=None if kind is None else RunKind(kind),
            state=None if state is None else RunState(state),
            at_most=most,
        )
        if as_json:
            emit_lines(streamed)
            return
        found = list(streamed)
    columns = ("run", "connection", "kind", "trigger", "state", "requested", "finished", "summary")
    rows = (
        (
            each["run_id"],
            each["connection"],
            each["kind"],
            each["trigger"],
            each["state"],
            each["requested_at"],
            each["finished_at"],
            each["fault"] or told(each["summary"]),
        )
        for each in found
    )
    table(columns, rows, empty="No runs.")
    if limit is None and len(found) == most:
        note(f"Only the newest {most} are shown; --limit or --json gives more.")
