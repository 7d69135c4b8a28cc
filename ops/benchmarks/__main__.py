"""`ops/bench`: run the benchmarks, and print each figure beside the bound it is held against. Exit code 1 when one is not kept."""

import argparse
import sys
import tempfile
from pathlib import Path

from ops.benchmarks import backlog, cheapest, feeds, help_time, import_report, rendering, shipments, staging
from ops.benchmarks.bench import Bench
from ops.services import Durability, Place, PostgresServer, RabbitMQServer
from worker import logs

BENCHMARKS = {
    "staging": staging.run,
    "shipments": shipments.run,
    "feeds": feeds.run,
    "rendering": rendering.run,
    "backlog": backlog.run,
    "cheapest": cheapest.run,
    "import": import_report.run,
    "help": help_time.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="ops/bench", description="Measure Feedline against its baselines, in one run.")
    parser.add_argument("only", nargs="*", choices=[[], *BENCHMARKS], help="which benchmarks; default: all")
    parser.add_argument("--pairs", type=int, default=5, help="runs of each, ours and the baseline in turn (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size, to try things (default 1)")
    arguments = parser.parse_args()
    logs.configure("console", "warning")
    with (
        tempfile.TemporaryDirectory(prefix="feedline-bench-") as folder,
        PostgresServer.launch(durability=Durability.SAFE, place=Place.LOCAL) as postgres,
        RabbitMQServer.launch(durability=Durability.SAFE, place=Place.LOCAL) as rabbitmq,
    ):
        bench = Bench(postgres, rabbitmq, Path(folder), arguments.scale)
        figures = []
        for name in arguments.only or BENCHMARKS:
            print(f"{name}:", flush=True)
            figures += BENCHMARKS[name](bench, arguments.pairs)
    width = max(len(figure.name) for figure in figures)
    print()
    for figure in figures:
        print(f"{'ok  ' if figure.kept else 'MISS'}  {figure.name:<{width}}  {figure.found:<40}  {figure.wanted}")
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
