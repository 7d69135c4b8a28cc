"""All that the demo needs around it: broker, Postgres, the simulator, and a worker of two processes; all of it ends with the demo."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
import urllib3

from ops.demonstration.scenario import Listing, Nature, Scenario
from ops.demonstration.sellers import SELLERS, Seller
from ops.services import PostgresServer, RabbitMQServer, Services, ServiceUnavailable, services
from ops.services.children import Child
from ops.simulator.control import Simulator
from worker.secrets import new_key
from worker.unreachable import why_postgres

WORKER_PROCESSES: Final = 2
WORKER_THREADS: Final = 4
READY_WITHIN_SECONDS: Final = 120
DRAIN_SECONDS: Final = 5
LINGER_SECONDS: Final = 3
POLL_SECONDS: Final = 0.5

_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_CLIENT_ID: Final = "amzn1.application-oa2-client.demo"

_CONNECTION: Final = """\
  - name: {connection}
    marketplace_id: {marketplace_id}
    selling_partner_id: {seller_id}
    refresh_token: ${{{variable}}}
    sync_listings:
      template:
        price: {{field: price}}
        quantity: {{field: quantity}}
        handling_time: {{field: handling_time}}
"""


class DemoFailed(Exception):
    """The demo cannot go on; one sentence for a person."""


class Surroundings(NamedTuple):
    """What runs, and how to reach it. `environment`: the settings of `feedline`; `directory`: logs and the connection file."""

    environment: Mapping[str, str]
    simulator: Simulator
    worker: Child
    metrics_url: str
    directory: Path

    @property
    def database_url(self) -> str:
        return self.environment["FEEDLINE_DATABASE_URL"]

    @property
    def amqp_url(self) -> str:
        return self.environment["FEEDLINE_AMQP_URL"]


@contextmanager
def surroundings(scenario: Scenario, speed: float, directory: Path, tell: Callable[[str], None]) -> Iterator[Surroundings]:
    """Start everything, and end it. Raises: ServiceUnavailable, SimulatorError, DemoFailed."""
    with ExitStack() as ending:
        try:
            yield _started(scenario, speed, directory, tell, ending)
        finally:
            # From here on nobody's impatience may leave something running.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)


def _started(scenario: Scenario, speed: float, directory: Path, tell: Callable[[str], None], ending: ExitStack) -> Surroundings:
    tell("Starting RabbitMQ, Postgres and the SP-API simulator")
    with ThreadPoolExecutor(1) as aside:
        simulating = aside.submit(_simulator, scenario, speed)
        ending.callback(lambda: None if simulating.exception() else simulating.result().stop())
        running = ending.enter_context(services())
        database_url, amqp_url = _room_of_our_own(running, ending)
        simulator = simulating.result()
    environment = _environment(database_url, amqp_url, simulator)
    _feedline(["db", "upgrade"], environment, directory, tell)
    tell(f"$ feedline worker --processes {WORKER_PROCESSES} --threads {WORKER_THREADS}")
    worker = Child(
        [sys.executable, "-m", "ops", "worker", "--processes", str(WORKER_PROCESSES), "--threads", str(WORKER_THREADS)],
        log=directory / "worker.log",
        directory=directory,
        environment=environment,
    )
    ending.callback(worker.stop, signal.SIGTERM, within_seconds=DRAIN_SECONDS + 10)
    file = directory / "connections.yaml"
    file.write_text(connection_file())
    _feedline(["connection", "apply", "-f", str(file)], environment, directory, tell)
    return Surroundings(environment, simulator, worker, _ready(worker, directory / "worker.log"), directory)


def connection_file() -> str:
    """Return the file that `feedline connection apply` reads; the tokens come from the environment."""
    entries = (
        _CONNECTION.format(
            connection=seller.connection,
            marketplace_id=seller.marketplace_id,
            seller_id=seller.seller_id,
            variable=token_variable(seller),
        )
        for seller in SELLERS
    )
    return "version: 1\nconnections:\n" + "".join(entries)


def token_variable(seller: Seller) -> str:
    """Return the environment variable from which the connection file takes the seller's refresh token."""
    return f"{seller.connection.upper().replace(' ', '_')}_REFRESH_TOKEN"


def _simulator(scenario: Scenario, speed: float) -> Simulator:
    simulator = Simulator.start(speed=speed)
    for seller in SELLERS:
        simulator.register_seller(seller.seller_id, [seller.marketplace_id], client_id=_CLIENT_ID, client_secret=_CLIENT_ID)
        listed = (listing for listing in scenario.listings if listing.seller is seller and listing.nature is not Nature.UNKNOWN)
        simulator.put_catalogue(seller.seller_id, seller.marketplace_id, map(_item, listed))
        products = (each.product for each in scenario.publications if each.seller is seller and each.is_product)
        simulator.put_products(seller.marketplace_id, products)
        simulator.put_orders(seller.seller_id, (each.as_given() for each in scenario.orders if each.seller is seller and each.is_known))
    return simulator


def _item(listing: Listing) -> dict[str, object]:
    item: dict[str, object] = {"sku": listing.sku, "price": listing.before.price, "quantity": listing.before.quantity}
    if listing.before.handling_time is not None:
        item["lead_time"] = listing.before.handling_time
    if listing.nature is Nature.AMAZON_FULFILS:
        item["fulfillment_channel"] = listing.seller.amazon_channel
    if listing.nature is Nature.REFUSED:
        item["reject"] = [{"code": "5665", "message": "You need approval to list this brand."}]
    return item


def _room_of_our_own(running: Services, ending: ExitStack) -> tuple[str, str]:
    """Return URLs of a database and a virtual host for this demo alone: on servers that were given, others may be at work."""
    name = f"feedline_demo_{secrets.token_hex(4)}"
    database_url, amqp_url = running.database_url, running.amqp_url
    if running.postgres is None:
        given = PostgresServer.given(database_url)
        try:
            database_url = given.create_database(name)
        except psycopg.Error as error:
            raise ServiceUnavailable(
                f"The server of FEEDLINE_DATABASE_URL gives the demo no database of its own ({why_postgres(error)}): its role needs "
                "CREATEDB. Without that variable the demo starts a server."
            ) from None
        ending.callback(given.drop_database, name)
    if running.rabbitmq is None:
        broker = RabbitMQServer.given(amqp_url)
        (amqp_url,) = broker.create_vhosts([name])
        ending.callback(broker.delete_vhosts, [name])
    return database_url, amqp_url


def _environment(database_url: str, amqp_url: str, simulator: Simulator) -> dict[str, str]:
    # The machine's own FEEDLINE_* settings are not the demo's.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FEEDLINE_")}
    return {
        **inherited,
        "PYTHONPATH": str(_CHECKOUT),
        **{token_variable(seller): f"Atzr|{seller.seller_id}" for seller in SELLERS},
        "FEEDLINE_DATABASE_URL": database_url,
        "FEEDLINE_AMQP_URL": amqp_url,
        "FEEDLINE_SECRET_KEYS": new_key(),
        "FEEDLINE_LWA_CLIENT_ID": _CLIENT_ID,
        "FEEDLINE_LWA_CLIENT_SECRET": _CLIENT_ID,
        "FEEDLINE_LWA_URL": simulator.lwa_url,
        "FEEDLINE_SP_API_URL": simulator.url,
        "FEEDLINE_HTTP_PORT": "0",
        "FEEDLINE_FEED_LINGER_SECONDS": str(LINGER_SECONDS),
        "FEEDLINE_FEED_POLL_SECONDS": str(POLL_SECONDS),
        "FEEDLINE_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "FEEDLINE_LOG_FORMAT": "json",
    }


def _feedline(arguments: list[str], environment: Mapping[str, str], directory: Path, tell: Callable[[str], None]) -> None:
    shown = " ".join(arguments).replace(f"{directory}/", "")
    tell(f"$ feedline {shown}")
    # In a folder of its own, so that a .env of the checkout stays out of it.
    done = subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        env=dict(environment),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        tell(f"  {line}")
    if done.returncode:
        raise DemoFailed(f"feedline {shown} ended with exit code {done.returncode}.")


def _ready(worker: Child, log: Path) -> str:
    """Return the URL of the worker's HTTP server once it says that it is ready."""
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    url = None
    with urllib3.PoolManager(retries=False, timeout=5) as http:
        while time.monotonic() < deadline:
            if worker.has_ended():
                raise DemoFailed(f"The worker ended: {worker.last_words()}")
            url = url or _http_url(log)
            if url is not None and http.request("GET", f"{url}/readyz").status == 200:
                return url
            time.sleep(0.05)
    raise DemoFailed(f"The worker was not ready within {READY_WITHIN_SECONDS} s: {worker.last_words()}")


def _http_url(log: Path) -> str | None:
    for line in log.read_text(errors="replace").splitlines():
        if '"http_listening"' in line:
            said = json.loads(line)
            return f"http://{said['host']}:{said['port']}"
    return None
