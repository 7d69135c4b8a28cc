"""Import: parse and upsert a listings report, against Python's csv and COPY into a table of the same shape.

Each runs in a process of its own, so that its memory can be told: `python -m ops.benchmarks.import_report ours|baseline URL FILE`.
"""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from ops.benchmarks.bench import Bench, peak_resident_mib
from ops.benchmarks.measure import Figure, at_least, at_most

LINES = 1_000_000
SHARE = 0.5
MOST_RESIDENT_MIB = 200.0
CHUNK_BYTES = 64 * 1024

HEADER = (
    "item-name\titem-description\tlisting-id\tseller-sku\tprice\tquantity\topen-date\timage-url\titem-is-marketplace\tproduct-id-type\t"
    "zshop-shipping-fee\titem-note\titem-condition\tzshop-category1\tzshop-browse-path\tzshop-storefront-feature\tasin1\tasin2\tasin3\t"
    "will-ship-internationally\texpedited-shipping\tzshop-boldface\tproduct-id\tbid-for-featured-placement\tadd-delete\t"
    "pending-quantity\tfulfillment-channel\tmerchant-shipping-group\tstatus\r\n"
)
LINE = (
    "Café mug of fine porcelain, white, number {0}\t\t{0:011d}\tSKU-{1:08d}\t19.99\t5\t2020-10-15 02:09:18 PDT\t\ty\t1\t\t\t11\t\t\t\t"
    "B0{0:08d}\t\t\t1\t\t\tB0{0:08d}\t\t\t0\tDEFAULT\tMigrated Template\tActive\r\n"
)


def run(bench: Bench, pairs: int) -> list[Figure]:
    lines = int(LINES * bench.scale)
    report = bench.folder / "report.txt"
    _write(report, lines)
    shares, memory = [], []
    for _ in range(pairs):
        ours, resident = _measured(bench, "ours", report)
        baseline, _ = _measured(bench, "baseline", report)
        print(f"  import: ours {lines / ours:,.0f} lines/s, csv and COPY {lines / baseline:,.0f} lines/s, {resident:.0f} MiB")
        shares.append(baseline / ours)
        memory.append(resident)
    return [
        at_least("import of a listings report, to csv and COPY", shares, SHARE),
        at_most("resident MiB of a process while importing", memory, MOST_RESIDENT_MIB),
    ]


def _measured(bench: Bench, which: str, report: Path) -> tuple[float, float]:
    """Return seconds, and MiB at the highest."""
    with bench.fresh() as environment:
        command = [sys.executable, "-m", "ops.benchmarks.import_report", which, environment["FEEDLINE_DATABASE_URL"], str(report)]
        done = subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
    seconds, mebibytes = json.loads(done.stdout.splitlines()[-1])
    return seconds, mebibytes


def _write(report: Path, lines: int) -> None:
    """Write a report whose SKUs are in no order, as Amazon's."""
    with report.open("w", encoding="cp1252", newline="") as file:
        file.write(HEADER)
        file.writelines(LINE.format(number, number * 7_919 % lines) for number in range(lines))


def _chunks(report: Path) -> Iterator[bytes]:
    """Yield the report as a download does."""
    with report.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _baseline(url: str, report: Path) -> float:
    began = time.perf_counter()
    with report.open(encoding="cp1252", newline="") as file, psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE baseline (LIKE imported_listing INCLUDING ALL)")
        into = "baseline (connection_id, sku, title, title_damaged, first_seen_at, updated_at)"
        now = cursor.execute("SELECT now()").fetchone()
        assert now is not None
        with cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                copy.write_row((1, row["seller-sku"], row["item-name"], False, now[0], now[0]))
    return time.perf_counter() - began


def _ours(url: str, report: Path) -> float:
    """Stage and merge as a run's step does, the report being at hand; return how long it took."""
    from worker.amazon.client import Amazon
    from worker.amazon.reports import Download
    from worker.broker.publisher import Publisher
    from worker.clock import Chance, Clock
    from worker.context import Context
    from worker.core.runs import RunKind, Trigger
    from worker.database import Database
    from worker.settings import Settings
    from worker.steps import import_listings
    from worker.store import connections, runs

    settings, database, clock, chance = Settings.load(_env_file=None), Database(url), Clock(), Chance()
    vault = settings.vault()
    amazon, publisher = Amazon(settings, database, vault, clock, chance), Publisher(settings.amqp_urls())
    ctx = Context(settings, database, vault, amazon, publisher, clock, chance)
    with database.begin() as tx:
        connection = connections.all(tx)[0]
        run_id = runs.request(tx, connection.id, RunKind.IMPORT_LISTINGS, Trigger.MANUAL)
        assert run_id is not None
        run = runs.claim(tx, run_id)
        assert run is not None
    began = time.perf_counter()
    with database.session() as session:
        staged, broken = import_listings.stage(ctx, run, connection, session, Download("cp1252", _chunks(report)))
        summary = import_listings.merge(ctx, run, connection, session, staged, broken)
    took = time.perf_counter() - began
    assert summary["added"] == summary["lines"], summary
    database.close()
    return took


def main(which: str, url: str, report: str) -> None:
    """Do one of the two, and print how long it took and how much memory the process had at the highest."""
    took = {"ours": _ours, "baseline": _baseline}[which](url, Path(report))
    print(json.dumps([took, peak_resident_mib(os.getpid())]))


if __name__ == "__main__":
    main(*sys.argv[1:])
