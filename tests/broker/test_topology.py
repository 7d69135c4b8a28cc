"""Exchanges and queues on a real RabbitMQ."""

from collections.abc import Iterator

import pika
import pytest
from pika.adapters.blocking_connection import BlockingConnection

from worker.broker import topology


@pytest.fixture
def connection(vhost: str) -> Iterator[BlockingConnection]:
    connection = BlockingConnection(pika.URLParameters(vhost))
    yield connection
    if connection.is_open:
        connection.close()


def waiting(connection: BlockingConnection, queue: str) -> int:
    channel = connection.channel()
    count = channel.queue_declare(queue, passive=True).method.message_count
    channel.close()
    return int(count)


@pytest.mark.requirement("R114")
@pytest.mark.parametrize(
    ("routing_key", "queue"),
    [
        ("inventory.My_Link", topology.INVENTORY),
        ("listing.My_Link.shoes", topology.LISTINGS),
        ("shipment", topology.SHIPMENTS),
    ],
)
def test_a_routing_key_that_begins_with_the_kinds_word_reaches_its_queue(
    connection: BlockingConnection, routing_key: str, queue: str
) -> None:
    topology.declare(connection)
    channel = connection.channel()
    channel.confirm_delivery()

    channel.basic_publish(topology.EXCHANGE, routing_key, b"{}", mandatory=True)

    assert waiting(connection, queue) == 1


def test_declaring_twice_changes_nothing_and_says_nothing(connection: BlockingConnection) -> None:
    assert topology.declare(connection) == []
    assert topology.declare(connection) == []


def test_a_queue_with_other_arguments_is_used_as_it_is_and_named_in_a_sentence(connection: BlockingConnection) -> None:
    connection.channel().queue_declare(topology.INVENTORY, durable=True, arguments={"x-queue-type": "classic"})

    notices = topology.declare(connection)

    assert len(notices) == 1
    assert notices[0].startswith("The queue feedline.inventory is used as it is, for it was declared with other arguments.")
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish(topology.EXCHANGE, "inventory.x", b"{}", mandatory=True)
    assert waiting(connection, topology.INVENTORY) == 1


@pytest.mark.requirement("R124")
def test_forty_redeliveries_lose_nothing(connection: BlockingConnection) -> None:
    topology.declare(connection)
    channel = connection.channel()
    channel.basic_publish(topology.EXCHANGE, "inventory.x", b"kept")

    for _ in range(40):
        method, _, body = next(channel.consume(topology.INVENTORY, inactivity_timeout=10))
        assert method is not None
        assert body == b"kept"
        channel.basic_nack(method.delivery_tag, requeue=True)

    # Taken once more, not counted: a quorum queue gives a message back a moment after the call has returned.
    method, _, body = next(channel.consume(topology.INVENTORY, inactivity_timeout=10))
    assert method is not None
    assert method.redelivered
    assert body == b"kept"


@pytest.mark.requirement("R124")
def test_what_is_rejected_by_hand_is_found_in_the_dead_letter_queue(connection: BlockingConnection) -> None:
    topology.declare(connection)
    channel = connection.channel()
    channel.basic_publish(topology.EXCHANGE, "inventory.x", b"dead")

    method, _, _ = next(channel.consume(topology.INVENTORY, inactivity_timeout=10))
    assert method is not None
    channel.basic_reject(method.delivery_tag, requeue=False)
    channel.cancel()

    method, _, body = next(channel.consume(topology.DEAD, inactivity_timeout=10))
    assert method is not None
    assert body == b"dead"
