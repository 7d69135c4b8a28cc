"""A broker that takes the connection and then says nothing is as good as none, to whoever looks for it."""

import socket
from collections.abc import Iterator

import pika
import pytest
from dramatiq.errors import ConnectionClosed

from worker.broker.consumer import BatchConsumer, connect
from worker.clock import Clock
from worker.readiness import RabbitMQReady


@pytest.fixture
def silent_broker() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"amqp://127.0.0.1:{silent.getsockname()[1]}/"


def test_a_consumer_tries_it_again_as_it_does_a_broker_that_is_down(silent_broker: str) -> None:
    parameters = pika.URLParameters(silent_broker)
    parameters.stack_timeout = 0.1

    with pytest.raises(ConnectionClosed):
        connect(parameters)
    with pytest.raises(ConnectionClosed, match="Timeout during AMQP handshake"):
        BatchConsumer([parameters], "feedline.inventory", "stage_inventory", size=1, linger_seconds=0, idle_seconds=1, clock=Clock())


def test_an_instance_is_not_ready_and_says_why(silent_broker: str) -> None:
    assert "does not answer" in (RabbitMQReady([silent_broker], "feedline", ()).ask() or "")
