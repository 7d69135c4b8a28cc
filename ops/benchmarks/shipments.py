"""Shipments: staging 100,000 parcels with one worker process, against as many inventory messages in the same run."""

from ops.benchmarks.bench import Bench
from ops.benchmarks.measure import Figure, at_least
from ops.benchmarks.staging import staged
from ops.benchmarks.workload import events, parcels
from worker.broker import topology

SHARE_OF_INVENTORY = 0.7


def run(bench: Bench, pairs: int) -> list[Figure]:
    count = int(100_000 * bench.scale)
    ratios = []
    for _ in range(pairs):
        shipments, _ = staged(bench, topology.SHIPMENTS, parcels(count))
        inventory, _ = staged(bench, topology.INVENTORY, events(count, count // 5))
        print(f"  shipments: {shipments:,.0f}/s, inventory {inventory:,.0f}/s")
        ratios.append(shipments / inventory)
    return [at_least(f"staging {count:,} shipments, to as many inventory messages", ratios, SHARE_OF_INVENTORY)]
