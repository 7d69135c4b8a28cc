"""The servers that tests and demo run on: found or started, and never left behind."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import psycopg
import pytest

from ops.services import PostgresServer, RabbitMQServer
from tests.eventually import eventually

_CHECKOUT = Path(__file__).resolve().parents[2]


def _rows(url: str, query: bytes) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def _descendants(pid: int) -> set[int]:
    """Return the processes below *pid*, whatever process group they have moved to."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split("\n")
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed if line)}
    below = {pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return below - {pid}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that the database's user can reach; pytest's own is closed to others."""
    with tempfile.TemporaryDirectory(prefix="feedline-test-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def test_the_role_that_feedline_gets_is_no_superuser(empty_database: str) -> None:
    assert _rows(empty_database, b"SELECT usesuper FROM pg_user WHERE usename = current_user") == [(False,)]


@pytest.mark.requirement("R126")
def test_a_database_is_a_copy_of_its_template_and_nobody_elses(postgres_server: PostgresServer, session_name: str) -> None:
    template, copy = f"{session_name}_pattern", f"{session_name}_copy"
    with psycopg.connect(postgres_server.create_database(template)) as connection:
        connection.execute("CREATE TABLE thing AS SELECT 42 AS answer")

    url = postgres_server.create_database(copy, template)

    assert _rows(url, b"SELECT answer FROM thing") == [(42,)]
    postgres_server.drop_database(copy)
    postgres_server.drop_database(template)


@pytest.mark.requirement("R126")
def test_every_test_has_a_virtual_host_that_nobody_has_used(vhost: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        queue = connection.channel().queue_declare("only.here", durable=True, arguments={"x-queue-type": "quorum"})

    assert queue.method.message_count == 0


def test_a_database_killed_at_any_moment_comes_back_with_what_was_committed(private_postgres: PostgresServer) -> None:
    with psycopg.connect(private_postgres.url) as connection:
        connection.execute("CREATE TABLE thing AS SELECT 42 AS answer")
    private_postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(private_postgres.url, connect_timeout=2)

    private_postgres.start()

    assert _rows(private_postgres.url, b"SELECT answer FROM thing") == [(42,)]


@pytest.mark.parametrize("end", [RabbitMQServer.stop, RabbitMQServer.kill], ids=["stopped", "killed"])
def test_a_broker_comes_back_with_its_messages_at_the_same_address(
    private_rabbitmq: RabbitMQServer, end: Callable[[RabbitMQServer], None]
) -> None:
    with pika.BlockingConnection(pika.URLParameters(private_rabbitmq.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("kept", durable=True, arguments={"x-queue-type": "quorum"})
        # RabbitMQ 3.10 writes the name of a new quorum queue to disk within a second, not at once: killed earlier than that, it
        # forgets where the queue's log is. Queues of a worker have lived for longer when something kills the broker.
        connection.sleep(1.5)
        channel.basic_publish("", "kept", b"message", pika.BasicProperties(delivery_mode=2))

    end(private_rabbitmq)
    private_rabbitmq.start()

    def message() -> bytes | None:
        with pika.BlockingConnection(pika.URLParameters(private_rabbitmq.url)) as connection:
            body: bytes | None = connection.channel().basic_get("kept", auto_ack=True)[2]
            return body

    assert eventually(message) == b"message"


def test_servers_end_with_their_starter_even_when_it_is_killed(open_folder: Path) -> None:
    unset = {name: value for name, value in os.environ.items() if not name.startswith("FEEDLINE_")}
    starter = subprocess.Popen(
        [sys.executable, "-m", "ops.services"],
        cwd=_CHECKOUT,
        env={**unset, "TMPDIR": str(open_folder)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert starter.stdout is not None
    with starter.stdout:
        printed = [starter.stdout.readline().partition("=")[0] for _ in range(2)]
    servers = _descendants(starter.pid)
    assert printed == ["FEEDLINE_DATABASE_URL", "FEEDLINE_AMQP_URL"]
    assert len(servers) > 4  # two keepers, postgres, epmd, the broker, and what these start
    assert len(list(open_folder.iterdir())) == 2

    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()

    eventually(lambda: not [pid for pid in servers if _is_alive(pid)], within_seconds=20)
    assert list(open_folder.iterdir()) == []
