"""Publishing in bulk on a real RabbitMQ."""

import threading
from collections.abc import Callable, Iterator

import pika
import pytest
from pika.adapters.blocking_connection import BlockingConnection

from tests.tcp_proxy import TcpProxy
from worker.broker import topology
from worker.broker.publisher import WINDOW, NotPublished, Publisher, Unroutable
from worker.core.events import OutgoingEvent


@pytest.fixture
def queue(vhost: str) -> str:
    """A queue that takes every event."""
    connection = BlockingConnection(pika.URLParameters(vhost))
    topology.declare(connection)
    channel = connection.channel()
    channel.queue_declare("all_events", durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind("all_events", topology.EVENTS_EXCHANGE, "#")
    connection.close()
    return "all_events"


@pytest.fixture
def publisher(vhost: str) -> Iterator[Publisher]:
    with Publisher([vhost]) as publisher:
        yield publisher


def some_events(count: int) -> list[OutgoingEvent]:
    return [OutgoingEvent("outcome.us.accepted", f"outcome-{number}", b'{"number":%d}' % number) for number in range(count)]


def received(url: str, queue: str) -> list[tuple[pika.BasicProperties, bytes]]:
    connection = BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    found: list[tuple[pika.BasicProperties, bytes]] = []
    while True:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            connection.close()
            return found
        found.append((properties, body))


def test_every_event_has_arrived_in_order_when_publishing_returns(vhost: str, queue: str, publisher: Publisher) -> None:
    events = some_events(WINDOW + 500)

    publisher.publish_events(events)

    assert [body for _, body in received(vhost, queue)] == [event.body for event in events]


def test_an_event_is_persistent_and_says_what_it_is(vhost: str, queue: str, publisher: Publisher) -> None:
    publisher.publish_events(some_events(1))

    [(properties, _)] = received(vhost, queue)

    assert properties.delivery_mode == 2
    assert properties.content_type == "application/cloudevents+json"
    assert properties.message_id == "outcome-0"


@pytest.mark.usefixtures("queue")
def test_events_that_nobody_listens_to_are_published_all_the_same(publisher: Publisher) -> None:
    publisher.publish_events([OutgoingEvent("inventory.us", "1", b"{}")], exchange=topology.DEAD_EXCHANGE)
    publisher.publish_events(some_events(3))


@pytest.mark.usefixtures("queue")
def test_a_message_that_must_reach_a_queue_and_does_not_is_an_error_that_names_its_routing_key(publisher: Publisher) -> None:
    events = [OutgoingEvent("inventory.us", "1", b"{}"), OutgoingEvent("inventry.us", "2", b"{}")]

    with pytest.raises(Unroutable, match=r"1 of 2 .* inventry\.us"):
        publisher.publish_events(events, exchange=topology.EXCHANGE, mandatory=True)

    publisher.publish_events(events[:1], exchange=topology.EXCHANGE, mandatory=True)


def test_an_exchange_that_is_missing_is_an_error_and_the_next_call_works(vhost: str, queue: str, publisher: Publisher) -> None:
    with pytest.raises(NotPublished, match="no exchange 'nowhere'"):
        publisher.publish_events(some_events(2), exchange="nowhere")

    publisher.publish_events(some_events(2))

    assert len(received(vhost, queue)) == 2


def test_a_queue_that_refuses_is_an_error(vhost: str, publisher: Publisher) -> None:
    connection = BlockingConnection(pika.URLParameters(vhost))
    channel = connection.channel()
    channel.exchange_declare("narrow", "topic")
    channel.queue_declare("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    channel.queue_bind("full", "narrow", "#")

    with pytest.raises(NotPublished, match="RabbitMQ refused a message"):
        publisher.publish_events(some_events(1000), exchange="narrow")

    connection.close()


def test_a_routing_key_beyond_amqps_255_bytes_is_an_error(publisher: Publisher) -> None:
    with pytest.raises(NotPublished, match="refused a message"):
        publisher.publish_events([OutgoingEvent("x" * 300, "1", b"{}")], exchange="amq.topic")


def test_threads_share_one_publisher(vhost: str, queue: str, publisher: Publisher) -> None:
    threads = [threading.Thread(target=publisher.publish_events, args=(some_events(200),)) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(received(vhost, queue)) == 800


def test_it_connects_anew_after_the_line_was_cut(vhost: str, queue: str, tcp_proxy: Callable[[str], TcpProxy]) -> None:
    proxy = tcp_proxy(vhost)
    with Publisher([proxy.url(vhost)]) as publisher:
        publisher.publish_events(some_events(1))
        proxy.cut()

        for _ in range(2):  # the first call may still meet the dead line
            try:
                publisher.publish_events(some_events(1))
            except NotPublished:
                continue
            break

        publisher.publish_events(some_events(1))

    assert len(received(vhost, queue)) >= 3


def test_of_several_nodes_the_first_that_answers_is_taken(vhost: str, queue: str) -> None:
    with Publisher(["amqp://nobody:nothing@127.0.0.1:9/", vhost]) as publisher:
        publisher.publish_events(some_events(1))

    assert len(received(vhost, queue)) == 1


def test_an_unreachable_broker_is_one_sentence_without_a_password() -> None:
    publisher = Publisher(["amqp://someone:s3cret@127.0.0.1:9/"])

    says = r"^RabbitMQ cannot be used at 127\.0\.0\.1:9 \(ConnectionRefusedError: .*\)\. Check FEEDLINE_AMQP_URL"
    with pytest.raises(NotPublished, match=says):
        publisher.publish_events(some_events(1))

    assert "s3cret" not in repr(publisher)


def test_a_wrong_password_is_told_in_the_broker_s_words(vhost: str) -> None:
    parameters = pika.URLParameters(vhost)

    with (
        pytest.raises(NotPublished, match="ACCESS_REFUSED"),
        Publisher([f"amqp://nobody:nothing@{parameters.host}:{parameters.port}/"]) as publisher,
    ):
        publisher.publish_events(some_events(1))


def test_silence_of_the_broker_is_an_error_in_time(vhost: str, queue: str, tcp_proxy: Callable[[str], TcpProxy]) -> None:
    proxy = tcp_proxy(vhost)
    with Publisher([proxy.url(vhost)], confirm_seconds=0.3) as publisher:
        publisher.publish_events(some_events(1))
        proxy.hold()

        with pytest.raises(NotPublished, match=r"confirmed nothing for 0\.3 seconds"):
            publisher.publish_events(some_events(1))
