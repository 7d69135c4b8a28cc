"""SIGTERM: the worker finishes what it has begun, gives back the rest, and is gone."""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping

import pika
import pytest

from tests.end_to_end.ledger import Ledger
from tests.end_to_end.upstream import Upstream, event
from tests.eventually import eventually
from tests.tcp_proxy import TcpProxy
from tests.worker_process import WorkerProcess
from worker.broker import topology


@pytest.mark.requirement("R113", "R125")
def test_a_worker_asked_to_stop_in_the_middle_loses_nothing(
    upstream: Upstream, worker: Callable[..., WorkerProcess], simulated: Mapping[str, str], ledger: Ledger
) -> None:
    settings = {**simulated, "FEEDLINE_INGEST_BATCH": "20"}
    running = worker(settings).wait_ready()
    upstream.listen()
    messages = 3_000
    upstream.publish_many(event(f"m{number}", {"sku": f"MUG-{number % 200 + 1}", "quantity": number}) for number in range(1, messages + 1))
    eventually(ledger.staged, 20)

    assert running.terminate(within_seconds=10) == 0

    assert ledger.staged() + upstream.waiting() == messages, "what is committed is acknowledged, and what is not is given back"
    worker(settings)
    eventually(lambda: ledger.is_drained(messages), 60)
    assert {len(outcomes) for outcomes in ledger.outcomes().values()} == {1}
    assert upstream.has_heard_of(f"m{number}" for number in range(1, messages + 1))


@pytest.mark.requirement("R120", "R125")
def test_the_processes_of_a_worker_that_was_killed_end_as_well(
    upstream: Upstream, worker: Callable[..., WorkerProcess], simulated: Mapping[str, str], ledger: Ledger
) -> None:
    killed = worker(simulated, "--processes", "2").wait_ready()
    upstream.publish({"sku": "MUG-1", "quantity": 1})
    eventually(ledger.staged, 20)

    os.kill(killed.pid, signal.SIGKILL)

    eventually(lambda: not killed.running(), 10)


@pytest.mark.requirement("R125")
def test_a_worker_asked_to_stop_while_rabbitmq_says_nothing_does_so_in_time(
    worker: Callable[..., WorkerProcess], settings: Mapping[str, str], tcp_proxy: Callable[[str], TcpProxy]
) -> None:
    line = tcp_proxy(settings["FEEDLINE_AMQP_URL"])
    through = {**settings, "FEEDLINE_AMQP_URL": line.url(settings["FEEDLINE_AMQP_URL"]), "FEEDLINE_DRAIN_SECONDS": "1"}
    running = worker(through).wait_ready()
    eventually(lambda: _consumes(settings["FEEDLINE_AMQP_URL"]), 20)  # one that still connects has nothing to say goodbye to
    line.hold()

    assert running.terminate(within_seconds=20) == 1

    assert running.logged("worker_stop_cut_short")


def _consumes(amqp_url: str) -> bool:
    """Whether every queue that a worker consumes has a consumer."""
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
        channel = connection.channel()
        return all(channel.queue_declare(queue, passive=True).method.consumer_count for queue in (*topology.INGEST_QUEUES, topology.WORK))
