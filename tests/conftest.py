"""Fixtures: real servers, shared by the whole session; a fresh database and a fresh virtual host for each test."""

import itertools
import os
import secrets
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import hypothesis
import pytest

from ops.services import Durability, Place, PostgresServer, RabbitMQServer, ServiceUnavailable
from tests.requirements import all_rows, rows_of, unproved
from tests.shared_servers import SharedServers, SharedServersOwner
from tests.tcp_proxy import TcpProxy
from tests.vhosts import VhostPool
from tests.worker_process import WorkerProcess

if TYPE_CHECKING:
    from ops.simulator.control import Simulator

Value = TypeVar("Value")
_SERVERS = pytest.StashKey[SharedServers]()
_PROVED = pytest.StashKey[Collection[str]]()
_XDIST_DIRECTORY = "feedline_servers"

# How long an example takes says more about what else the machine does than about the code.
hypothesis.settings.register_profile("feedline", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("feedline")


class StartWorker(Protocol):
    def __call__(self, settings: dict[str, str], *arguments: str) -> WorkerProcess: ...


class StartSimulator(Protocol):
    def __call__(self, *, speed: float = ..., seed: int | None = ..., scenario: Path | None = ...) -> "Simulator": ...


# --- the session -------------------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--requirements", action="store_true", help="run nothing; list the requirement rows that no test is marked with")


def pytest_configure(config: pytest.Config) -> None:
    # How long an example takes says how busy the machine is.
    hypothesis.settings.register_profile("feedline", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
    hypothesis.settings.load_profile("feedline")
    given_by_xdist = getattr(config, "workerinput", {}).get(_XDIST_DIRECTORY)
    config.stash[_SERVERS] = SharedServers(Path(given_by_xdist)) if given_by_xdist else SharedServersOwner()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """xdist: tell a new test process where the session's servers are."""
    node.workerinput[_XDIST_DIRECTORY] = str(node.config.stash[_SERVERS].directory)  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    servers = config.stash.get(_SERVERS, None)
    if isinstance(servers, SharedServersOwner):
        servers.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        unknown = set(rows_of(item)) - all_rows().keys()
        if unknown:
            raise pytest.UsageError(f"{item.nodeid} is marked with rows that tests/requirements.txt does not have: {sorted(unknown)}")
    if config.getoption("--requirements"):
        config.stash[_PROVED] = {row for item in items for row in rows_of(item)}
        items.clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--requirements"):
        missing = unproved(config.stash.get(_PROVED, ()))
        terminalreporter.section(f"{len(missing)} of {len(all_rows())} rows have no test")
        for line in missing:
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if session.config.getoption("--requirements") and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def _or_fail(start: Callable[[], Value]) -> Value:
    """A service that cannot be started is a failure with one clear sentence, never a skip."""
    try:
        return start()
    except ServiceUnavailable as unavailable:
        pytest.fail(str(unavailable), pytrace=False)


# --- servers shared by the session -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> PostgresServer:
    """The session's Postgres. Never stop it: take `private_postgres` for that."""
    return _or_fail(pytestconfig.stash[_SERVERS].postgres)


@pytest.fixture(scope="session")
def rabbitmq_server(pytestconfig: pytest.Config) -> RabbitMQServer:
    """The session's RabbitMQ. Never stop it: take `private_rabbitmq` for that."""
    return _or_fail(pytestconfig.stash[_SERVERS].rabbitmq)


@pytest.fixture(scope="session")
def session_name() -> str:
    """A prefix that no other test process, and no other session on the same server, uses."""
    return f"feedline_test_{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def _database_names(session_name: str) -> Iterator[str]:
    return (f"{session_name}_{number}" for number in itertools.count(1))


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer, session_name: str) -> Iterator[str]:
    """The name of a database with our schema, made once for each test process, to be copied."""
    from schema.migrate import upgrade

    name = f"{session_name}_template"
    upgrade(postgres_server.create_database(name))
    yield name
    postgres_server.drop_database(name)


# --- for each test -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def empty_database(postgres_server: PostgresServer, _database_names: Iterator[str]) -> Iterator[str]:
    """The URL of a database without any table."""
    name = next(_database_names)
    yield postgres_server.create_database(name)
    postgres_server.drop_database(name)


@pytest.fixture
def database(postgres_server: PostgresServer, migrated_template: str, _database_names: Iterator[str]) -> Iterator[str]:
    """The URL of a fresh database with our schema."""
    name = next(_database_names)
    yield postgres_server.create_database(name, migrated_template)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def _vhost_pool(rabbitmq_server: RabbitMQServer, session_name: str) -> Iterator[VhostPool]:
    pool = VhostPool(rabbitmq_server, session_name)
    yield pool
    if "FEEDLINE_AMQP_URL" in os.environ:  # a broker of our own is about to be thrown away
        pool.delete_all()


@pytest.fixture
def vhost(_vhost_pool: VhostPool) -> str:
    """The AMQP URL of a fresh virtual host."""
    return _or_fail(_vhost_pool.take)


@pytest.fixture
def private_postgres() -> Iterator[PostgresServer]:
    """A Postgres of the test's own, with `stop()`, `start()`, `kill()`; `url` is an empty database."""
    with _or_fail(lambda: PostgresServer.launch(durability=Durability.FAST, place=Place.DOCKER_FIRST)) as server:
        yield server


@pytest.fixture
def private_rabbitmq() -> Iterator[RabbitMQServer]:
    """A RabbitMQ of the test's own, with `stop()`, `start()`, `kill()`; it takes five seconds to start."""
    with _or_fail(lambda: RabbitMQServer.launch(place=Place.DOCKER_FIRST)) as server:
        yield server


@pytest.fixture
def tcp_proxy() -> Iterator[Callable[[str], TcpProxy]]:
    """Call with a server's URL to get a proxy in front of it; `proxy.url(server_url)` is the URL through it."""
    proxies: list[TcpProxy] = []

    def open_proxy(url: str) -> TcpProxy:
        proxies.append(TcpProxy.to(url))
        return proxies[-1]

    yield open_proxy
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def settings(database: str, vhost: str) -> dict[str, str]:
    """Settings of a worker on fresh resources; with a simulator take `simulated_settings`."""
    return {
        "FEEDLINE_DATABASE_URL": database,
        "FEEDLINE_AMQP_URL": vhost,
        "FEEDLINE_SECRET_KEYS": "dGVzdCBrZXksIDMyIGJ5dGVzLCBub3QgYSBzZWNyZXQ=",
        "FEEDLINE_LWA_CLIENT_ID": "amzn1.application-oa2-client.test",
        "FEEDLINE_LWA_CLIENT_SECRET": "test-client-secret",
    }


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[StartWorker]:
    """Call with settings to start `feedline worker`; whatever still runs at the end of the test is killed."""
    started: list[WorkerProcess] = []

    def start(settings: dict[str, str], *arguments: str) -> WorkerProcess:
        started.append(WorkerProcess(settings, tmp_path / f"worker-{len(started) + 1}.log", *arguments))
        return started[-1]

    yield start
    for process in started:
        process.kill9()


@pytest.fixture
def start_simulator() -> Iterator[StartSimulator]:
    """Call to start an SP-API simulator of the test's own."""
    from ops.simulator.control import Simulator

    started: list[Simulator] = []

    def start(*, speed: float = 1.0, seed: int | None = None, scenario: Path | None = None) -> Simulator:
        started.append(Simulator.start(speed=speed, seed=seed, scenario=scenario))
        return started[-1]

    yield start
    for simulator in started:
        simulator.stop()


@pytest.fixture
def simulator(start_simulator: StartSimulator) -> "Simulator":
    """An SP-API simulator whose clock runs as ours does."""
    return start_simulator()


@pytest.fixture
def simulated_settings(settings: dict[str, str], simulator: "Simulator") -> dict[str, str]:
    """Settings of a worker on fresh resources, with `simulator` in Amazon's place."""
    return {**settings, "FEEDLINE_LWA_URL": simulator.lwa_url, "FEEDLINE_SP_API_URL": simulator.url}
