"""Fresh resources for each run of a benchmark: a database, a virtual host, a connection that is applied."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from ops.benchmarks.workload import CONNECTION, MARKETPLACE, SELLER
from ops.services import PostgresServer, RabbitMQServer
from schema import migrate
from worker.connection_file import parse
from worker.database import Database
from worker.secrets import Vault, new_key
from worker.store import connections

TEMPLATE = "bench_template"
KEY = new_key()
_numbers = count(1)


class Bench:
    """The servers that all runs share; `fresh` gives a run its own database and virtual host."""

    def __init__(self, postgres: PostgresServer, rabbitmq: RabbitMQServer, folder: Path, scale: float) -> None:
        self.postgres = postgres
        self.rabbitmq = rabbitmq
        self.folder = folder
        self.scale = scale
        url = postgres.create_database(TEMPLATE)
        migrate.upgrade(url)
        self._apply(url)

    @contextmanager
    def fresh(self, like: str = TEMPLATE) -> Iterator[dict[str, str]]:
        """Yield the settings of a run on resources of its own, which are dropped at the end. *like*: a database that nobody uses now."""
        name = f"bench_{next(_numbers)}"
        database_url = self.postgres.create_database(name, like)
        (amqp_url,) = self.rabbitmq.create_vhosts([name])
        try:
            yield settings(database_url, amqp_url)
        finally:
            self.rabbitmq.delete_vhosts([name])
            self.postgres.drop_database(name)

    def _apply(self, url: str) -> None:
        entry = {
            "name": CONNECTION,
            "marketplace_id": MARKETPLACE,
            "selling_partner_id": SELLER,
            "refresh_token": f"Atzr|{SELLER}",
            "sync_listings": {
                "template": {"price": {"field": "price"}, "quantity": {"field": "quantity"}, "handling_time": {"field": "handling_time"}}
            },
        }
        parsed = parse(json.dumps({"version": 1, "connections": [entry]}), environment={}, folder=self.folder)
        database = Database(url)
        with database.begin() as tx:
            connections.apply(tx, Vault([KEY]), parsed, default_client_id="bench")
        database.close()


def settings(database_url: str, amqp_url: str) -> dict[str, str]:
    return {
        "FEEDLINE_DATABASE_URL": database_url,
        "FEEDLINE_AMQP_URL": amqp_url,
        "FEEDLINE_SECRET_KEYS": KEY,
        "FEEDLINE_LWA_CLIENT_ID": "bench",
        "FEEDLINE_LWA_CLIENT_SECRET": "bench-secret",
        "FEEDLINE_HTTP_PORT": "0",
        "FEEDLINE_LOG_LEVEL": "warning",
    }


@contextmanager
def process(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A Python program with *arguments*, ended at the end of the block."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, *arguments], env={**os.environ, **environment}, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def rate(database_url: str, wanted: int, *, table: str = "identity", give_up_after: float = 300) -> float:
    """Wait until *wanted* rows are in *table*, and return how many a second came between the first sight of any and the last."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        began, first = None, 0
        deadline = time.monotonic() + give_up_after
        while time.monotonic() < deadline:
            found = _scalar(connection, f"SELECT count(*) FROM {table}")
            now = time.perf_counter()
            if began is None and found:
                began, first = now, found
            if found >= wanted and began is not None:
                return (found - first) / (now - began)
            # Counting takes a core's time from what is measured: it is done seldom, until the end is near.
            left = (wanted - found) * (now - began) / (found - first) if began is not None and found > first else 0.1
            time.sleep(min(max(left / 4, 0.01), 1.0))
    raise TimeoutError(f"Only {found} of {wanted} rows came within {give_up_after} s.")


def _scalar(connection: "psycopg.Connection[Any]", query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def resident_mib(pid: int) -> float:
    """Return the resident memory of the largest process among *pid* and its children."""
    return max(_mib(each, "VmRSS") for each in _family(pid))


def peak_resident_mib(pid: int) -> float:
    """Return the most that the process *pid* had resident since its program began; getrusage counts its parent's before that, too."""
    return _mib(pid, "VmHWM")


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    below = [int(child) for child in children.read_text().split()] if children.exists() else []
    return [pid, *(member for child in below for member in _family(child))]


def _mib(pid: int, field: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")), 0)
