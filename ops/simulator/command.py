"""Start the simulator from its options: what `feedline simulator` and `python -m ops.simulator` both do."""

from __future__ import annotations

import gc
from pathlib import Path

from ops.simulator.clock import Clock, parse_time
from ops.simulator.scenario import play, read_scenario
from ops.simulator.server import bind, serve
from ops.simulator.world import World

_COLLECT_AFTER = 200_000
_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def run(
    *,
    host: str,
    port: int,
    speed: float,
    seed: int | None,
    start: str | None,
    scenario: Path | None,
    ready_file: Path | None,
    public_url: str | None,
) -> None:
    """Serve until a signal comes. Raises OSError for a taken port, ValueError for a scenario that is none."""
    started_at = None if start is None else parse_time(start)
    if start is not None and started_at is None:
        raise ValueError(f"{start!r} is no ISO 8601 time")
    listener = bind(host, port)
    host_name = "127.0.0.1" if host in _ANY_ADDRESS else f"[{host}]" if ":" in host else host
    url = f"http://{host_name}:{listener.getsockname()[1]}"
    # On all addresses nobody knows our name but the client: then presigned URLs name the host it used.
    base_url = public_url or (None if host in _ANY_ADDRESS else url)
    world = World(Clock(speed, started_at), seed=seed, base_url=base_url)
    if scenario is not None:
        play(world, read_scenario(scenario))

    def ready() -> None:
        print(f"feedline simulator listening on {url} (clock x{speed:g})", flush=True)
        if ready_file is not None:
            # Written aside and renamed: who waits for the file never reads half a line.
            draft = ready_file.with_suffix(".part")
            draft.write_text(f"{url}\n", encoding="utf-8")
            draft.replace(ready_file)

    # A feed of 25,000 messages makes a million objects and no cycles: the collector took a quarter of its time.
    gc.set_threshold(_COLLECT_AFTER)
    serve(world, listener, ready)
