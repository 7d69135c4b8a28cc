"""The worker's HTTP server, as a process, on a real Postgres and a real RabbitMQ."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pika
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from tests.eventually import eventually
from tests.tcp_proxy import TcpProxy
from worker import health
from worker.broker.topology import INVENTORY, WORK, declare
from worker.clock import Clock
from worker.database import Database
from worker.readiness import Readiness

PROMISED_SECONDS = 10
"""Within so long /readyz notices that Postgres or RabbitMQ cannot be reached."""


class Server:
    """`worker.http.serve` in a process of its own, as Dramatiq forks it."""

    def __init__(self, settings: dict[str, str], folder: Path) -> None:
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FEEDLINE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import sys; from worker.http import serve; sys.exit(serve())"],
            env={**inherited, "FEEDLINE_HTTP_PORT": "0", health.DIRECTORY_VARIABLE: str(folder), **settings},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            told = json.loads(line)
            if told["event"] == "http_listening":
                self.host, self.port = told["host"], told["port"]
                return
        raise AssertionError("the server ended before it listened")

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        request = urllib.request.Request(f"http://{self.host}:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def status(self, path: str) -> int:
        return self.get(path)[0]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of one sample of /metrics, None when it is not there."""
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return None

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


Serve = Callable[[dict[str, str]], Server]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    started: list[Server] = []

    def start(settings: dict[str, str]) -> Server:
        started.append(Server(settings, tmp_path))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def declared(settings: dict[str, str]) -> dict[str, str]:
    """Settings of a broker on which a worker has declared its queues."""
    connection = pika.BlockingConnection(pika.URLParameters(settings["FEEDLINE_AMQP_URL"]))
    declare(connection)
    connection.close()
    return settings


def _body(server: Server, path: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(server.get(path)[1])
    return parsed


@pytest.mark.parametrize("missing", [INVENTORY, WORK])
def test_a_worker_is_not_ready_before_its_queues_are_declared(serve: Serve, settings: dict[str, str], missing: str) -> None:
    server = serve(settings)

    eventually(lambda: "lacks what a worker declares" in (_body(server, "/readyz")["checks"]["rabbitmq"]["fault"] or ""))
    connection = pika.BlockingConnection(pika.URLParameters(settings["FEEDLINE_AMQP_URL"]))
    declare(connection)

    eventually(lambda: server.status("/readyz") == 200)
    connection.channel().queue_delete(missing)
    connection.close()
    eventually(lambda: server.status("/readyz") == 503)


def test_a_check_that_fails_in_an_unheard_of_way_says_so_and_is_asked_again() -> None:
    class Odd:
        def __init__(self) -> None:
            self.asked = 0

        def ask(self) -> str | None:
            self.asked += 1
            if self.asked == 1:
                raise LookupError("marked-secret")
            return None

        def close(self) -> None:
            pass

    class Hurried(Clock):
        def wait(self, event: Event, seconds: float) -> bool:
            seen.append(readiness.faults()["odd"])
            return super().wait(event, min(seconds, 0.01))

    seen: list[str | None] = []
    readiness = Readiness({"odd": Odd()}, clock=Hurried())

    readiness.start()

    eventually(lambda: None in seen)
    readiness.stop()
    assert seen[0] == "The check itself failed: LookupError."


@pytest.mark.parametrize("service", ["FEEDLINE_DATABASE_URL", "FEEDLINE_AMQP_URL"])
@pytest.mark.parametrize("outage", [TcpProxy.refuse, TcpProxy.hold], ids=["refuses", "falls_silent"])
def test_an_unreachable_server_is_noticed_in_time_and_so_is_its_return(
    serve: Serve, declared: dict[str, str], tcp_proxy: Callable[[str], TcpProxy], service: str, outage: Callable[[TcpProxy], None]
) -> None:
    proxy = tcp_proxy(declared[service])
    server = serve({**declared, service: proxy.url(declared[service])})
    eventually(lambda: server.status("/readyz") == 200)

    outage(proxy)
    if outage is TcpProxy.refuse:
        proxy.cut()
    eventually(lambda: server.status("/readyz") == 503, PROMISED_SECONDS)
    assert server.status("/healthz") == 200, "an outage is no reason to be killed"

    proxy.heal()
    eventually(lambda: server.status("/readyz") == 200, 30)


@pytest.mark.requirement("R4")
def test_what_readyz_says_holds_no_password(serve: Serve, settings: dict[str, str]) -> None:
    away = {
        "FEEDLINE_DATABASE_URL": "postgresql://u:marked-password@127.0.0.1:1/d",
        "FEEDLINE_AMQP_URL": "amqp://u:marked-password@127.0.0.1:1/",
    }
    server = serve({**settings, **away})

    eventually(lambda: "127.0.0.1" in _body(server, "/readyz")["checks"]["postgres"]["fault"])
    eventually(lambda: "does not answer" in _body(server, "/readyz")["checks"]["rabbitmq"]["fault"])
    assert "marked-password" not in server.get("/readyz")[1]


def test_a_schema_that_does_not_fit_is_not_ready(serve: Serve, declared: dict[str, str], empty_database: str) -> None:
    server = serve({**declared, "FEEDLINE_DATABASE_URL": empty_database})

    eventually(lambda: "feedline db upgrade" in (_body(server, "/readyz")["checks"]["postgres"]["fault"] or ""))


def test_a_dead_worker_process_and_a_silent_loop_are_not_alive(
    serve: Serve, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(settings)
    monkeypatch.setenv(health.DIRECTORY_VARIABLE, str(server.folder))
    assert server.status("/healthz") == 200, "it has just begun"

    loop = health.Heartbeat("conductor")
    loop.beat()
    assert server.status("/healthz") == 200

    class Earlier(Clock):
        def monotonic(self) -> float:
            return super().monotonic() - health.SILENT_AFTER_SECONDS - 1

    stuck = health.Heartbeat("consumer feedline.inventory", clock=Earlier())
    stuck.beat()
    assert "consumer feedline.inventory" in str(_body(server, "/healthz")["faults"])
    stuck.end()
    assert server.status("/healthz") == 200

    subprocess.run([sys.executable, "-c", "from worker.health import Heartbeat; Heartbeat('conductor').beat()"], check=True)
    assert "died" in str(_body(server, "/healthz")["faults"])
    loop.end()


@pytest.mark.requirement("R117")
def test_the_fleet_s_state_is_read_from_postgres(serve: Serve, declared: dict[str, str]) -> None:
    database = Database(declared["FEEDLINE_DATABASE_URL"])
    with database.begin() as tx:
        tx.execute(text(_FLEET))
    database.close()
    server = serve(declared)

    eventually(lambda: server.value("feedline_pending_changes", connection="runs", type="inventory") == 3)
    assert server.value("feedline_pending_changes", connection="paused", type="inventory") == 0
    assert server.value("feedline_held_changes", connection="paused", reason="connection_paused") == 2
    assert server.value("feedline_held_changes", connection="gone", reason="not_authorized") == 1
    assert server.value("feedline_held_changes", connection="runs", reason="quantity_unknown") == 1
    assert 7100 < (server.value("feedline_oldest_pending_seconds", connection="runs", type="inventory") or 0) < 7300
    assert server.value("feedline_feeds", connection="runs", feed_type="JSON_LISTINGS_FEED", state="in_queue") == 1
    assert 590 < (server.value("feedline_oldest_unfinished_feed_seconds", connection="runs", feed_type="JSON_LISTINGS_FEED") or 0) < 700
    assert server.value("feedline_authorization_ok", connection="runs") == 1
    assert server.value("feedline_authorization_ok", connection="gone") == 0
    assert 50 < (server.value("feedline_outbox_lag_seconds") or 0) < 120
    assert server.value("feedline_quota_tokens", connection="runs", operation="createFeed") == 15
    assert server.value("feedline_quota_wait_seconds", connection="runs", operation="createFeed") == 0


_FLEET = """
    INSERT INTO account (client_id, selling_partner_id, region, refresh_token, authorization_fault)
    VALUES ('c', 'A1', 'NA', '', NULL), ('c', 'A2', 'NA', '', 'the seller has withdrawn the authorisation');
    INSERT INTO connection (name, account_id, marketplace_id, settings, paused)
    VALUES ('runs', 1, 'ATVPDKIKX0DER', '{}', false), ('paused', 1, 'ATVPDKIKX0DER', '{}', true), ('gone', 2, 'ATVPDKIKX0DER', '{}', false);
    INSERT INTO split (connection_id, kind, parent_feed_id, messages, reason) VALUES (1, 'listings', 1, 1, 'x');
    INSERT INTO key_state (connection_id, kind, key, state, hold_reason, pending, pending_since, versions, split_id) VALUES
        (1, 'listings', 'a', 'ready', NULL, '{}', now() - interval '10 minutes', '{}', NULL),
        (1, 'listings', 'b', 'unlinked', NULL, '{}', now() - interval '2 hours', '{}', NULL),
        (1, 'listings', 'c', 'ready', NULL, '{}', now() - interval '1 hour', '{}', 1),
        (1, 'listings', 'd', 'held', 'quantity_unknown', '{}', now() - interval '9 hours', '{}', NULL),
        (2, 'listings', 'a', 'ready', NULL, '{}', now() - interval '9 hours', '{}', NULL),
        (2, 'listings', 'b', 'unlinked', NULL, '{}', now() - interval '9 hours', '{}', NULL),
        (3, 'listings', 'a', 'ready', NULL, '{}', now() - interval '9 hours', '{}', NULL);
    INSERT INTO feed (id, connection_id, kind, feed_type, state, messages, first_message_id, document, document_bytes,
                      created_at, changed_at, due_at)
    VALUES (1, 1, 'listings', 'JSON_LISTINGS_FEED', 'in_queue', 1, 1, '', 0, now() - interval '10 minutes', now(), now()),
           (2, 1, 'listings', 'JSON_LISTINGS_FEED', 'settled', 1, 1, '', 0, now() - interval '90 days', now(), NULL);
    INSERT INTO outbox (kind, payload, created_at) VALUES ('feed', '{}', now() - interval '1 minute');
    INSERT INTO quota (account_id, operation, rate, burst, tokens, updated_at, confirmed_at, changed_at)
    SELECT 1, 'createFeed', 0.0083, 15, 15, now(), now(), now();
"""


def test_what_is_not_served_is_told_and_harmless(serve: Serve, settings: dict[str, str]) -> None:
    server = serve(settings)

    assert server.status("/nothing") == 404
    assert server.get("/healthz", "POST")[0] == 405
    assert server.get("/healthz", "HEAD") == (200, "")
    with socket.create_connection((server.host, server.port)) as rude:
        rude.sendall(b"\x00\x01 nonsense\r\n\r\n")
        rude.recv(1000)
    assert server.status("/healthz") == 200


def test_a_port_that_was_any_is_told_at_every_level(serve: Serve, settings: dict[str, str]) -> None:
    server = serve({**settings, "FEEDLINE_LOG_LEVEL": "error"})

    assert server.status("/healthz") == 200


def test_a_port_that_is_taken_is_one_sentence(settings: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FEEDLINE_")}
        done = subprocess.run(
            [sys.executable, "-c", "import sys; from worker.http import serve; sys.exit(serve())"],
            env={**inherited, **settings, "FEEDLINE_HTTP_PORT": str(port), health.DIRECTORY_VARIABLE: str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert f"127.0.0.1:{port} cannot be listened on" in done.stderr
