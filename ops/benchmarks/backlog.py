"""The cost of a message must not grow with the backlog: staging and cutting at 10,000 and at 1,000,000 pending changes."""

from datetime import UTC, datetime

from ops.benchmarks.bench import Bench
from ops.benchmarks.measure import Figure, at_most, seconds
from ops.benchmarks.pending import bench_context, fill_pending
from ops.benchmarks.workload import CONTENT_TYPE, bodies
from worker.context import Context
from worker.core.kinds import Kind
from worker.core.wire import Delivery
from worker.steps import cut
from worker.steps.stage import stage

TIMES_THE_SMALL = 1.3
STAGED = 2_000
CUT = 5_000
"""Messages of a feed: more than a cut claims at first, and few enough for the small backlog."""


def run(bench: Bench, pairs: int) -> list[Figure]:
    small, large = int(10_000 * max(bench.scale, 0.6)), int(1_000_000 * bench.scale)
    staging, cutting = [], []
    with bench.fresh() as at_small, bench.fresh() as at_large:
        fill_pending(at_small["FEEDLINE_DATABASE_URL"], small)
        fill_pending(at_large["FEEDLINE_DATABASE_URL"], large)
        for _ in range(pairs):
            stage_small, cut_small = _measured(bench, at_small, small)
            stage_large, cut_large = _measured(bench, at_large, large)
            print(f"  backlog: stage {stage_small:.2f} s and {stage_large:.2f} s, cut {cut_small:.2f} s and {cut_large:.2f} s")
            staging.append(stage_large / stage_small)
            cutting.append(cut_large / cut_small)
    return [
        at_most(f"staging at {large:,} pending changes, to {small:,}", staging, TIMES_THE_SMALL),
        at_most(f"cutting at {large:,} pending changes, to {small:,}", cutting, TIMES_THE_SMALL),
    ]


def _measured(bench: Bench, filled: dict[str, str], skus: int) -> tuple[float, float]:
    """Stage and cut on a copy of a *filled* database, and return the seconds of both."""
    like = filled["FEEDLINE_DATABASE_URL"].rpartition("/")[2]
    with bench.fresh(like) as environment, bench_context(environment, feed_max_messages=CUT) as ctx:
        _stage(ctx, skus, "warm")
        return _stage(ctx, skus, "measured"), _cut(ctx)


def _stage(ctx: Context, skus: int, run: str) -> float:
    # As many different SKUs in a batch on both sides: what differs is what lies behind them.
    deliveries = [Delivery("feedline.inventory", body, CONTENT_TYPE, {}) for body in bodies(STAGED, skus, run=run)]

    def work() -> None:
        for start in range(0, len(deliveries), 500):
            stage(ctx, deliveries[start : start + 500], datetime.now(UTC))

    return seconds(work)


def _cut(ctx: Context) -> float:
    with ctx.database.begin() as tx:
        tx.exec_driver_sql("DELETE FROM quota")
    return seconds(lambda: cut.cut(ctx, 1, Kind.LISTINGS))
