"""Readiness: can this instance take messages in? Asked in the background, so that the answer is always at hand."""

import threading
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from schema.migrate import unfit
from worker.broker.unreachable import UNREACHABLE
from worker.clock import Clock
from worker.database import options_of, sqlalchemy_url
from worker.settings import Settings
from worker.unreachable import why_postgres, why_rabbitmq

CHECK_EVERY_SECONDS: Final = 2
CHECK_VALID_SECONDS: Final = 6
"""A check that hangs leaves its last answer behind; older than this it counts as failed. With the interval below the promised 10 s."""

CONNECT_SECONDS: Final = 3
STATEMENT_MILLISECONDS: Final = 2000
AMQP_HEARTBEAT_SECONDS: Final = 4


class Answer(NamedTuple):
    """`fault` is a sentence without secrets, or None when all is well. `at`: monotonic seconds."""

    fault: str | None
    at: float


class Check(Protocol):
    """Something that must work. `ask` returns a fault or None; it may block, but not for ever."""

    def ask(self) -> str | None: ...

    def close(self) -> None: ...


class Readiness:
    """Runs each check in a thread of its own, again and again, and remembers its last answer."""

    def __init__(self, checks: Mapping[str, Check], *, clock: Clock | None = None) -> None:
        self._checks = checks
        self._clock = clock or Clock()
        self._answers: dict[str, Answer] = {}
        self._ended = threading.Event()

    def start(self) -> None:
        for name, check in self._checks.items():
            threading.Thread(target=self._watch, args=(name, check), name=f"readiness of {name}", daemon=True).start()

    def stop(self) -> None:
        self._ended.set()

    def faults(self) -> dict[str, str | None]:
        """Return what is wrong with each check, None for those that are well. Answers at once."""
        now = self._clock.monotonic()
        return {name: self._fault(self._answers.get(name), now) for name in self._checks}

    @staticmethod
    def _fault(answer: Answer | None, now: float) -> str | None:
        if answer is None:
            return "Not yet asked."
        if now - answer.at > CHECK_VALID_SECONDS:
            return f"No answer for {now - answer.at:.0f} s."
        return answer.fault

    def _watch(self, name: str, check: Check) -> None:
        try:
            while not self._ended.is_set():
                fault = _asked(check)
                self._answers[name] = Answer(fault, self._clock.monotonic())
                self._clock.wait(self._ended, CHECK_EVERY_SECONDS)
        finally:
            check.close()


def _asked(check: Check) -> str | None:
    """Whatever a check raises is an answer, too: a thread that ended would leave the instance unready for good."""
    try:
        return check.ask()
    except Exception as error:  # noqa: BLE001
        return f"The check itself failed: {type(error).__name__}."


class PostgresReady:
    """Postgres answers, and its schema fits this program."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ask(self) -> str | None:
        try:
            with self._engine.connect() as connection:
                connection.execute(text("SELECT 1"))
                return unfit(connection)
        except SQLAlchemyError as error:
            self._engine.dispose()
            return f"Postgres does not answer: {why_postgres(error)}"

    def close(self) -> None:
        self._engine.dispose()


class RabbitMQReady:
    """RabbitMQ answers on a kept connection, and exchange and queues are declared."""

    def __init__(self, urls: Sequence[str], exchange: str, queues: Sequence[str]) -> None:
        self._urls, self._exchange, self._queues = urls, exchange, queues
        self._connection: pika.BlockingConnection | None = None

    def ask(self) -> str | None:
        try:
            channel = self._open()
            channel.exchange_declare(self._exchange, passive=True)
            for queue in self._queues:
                channel.queue_declare(queue, passive=True)
            channel.close()
        except ChannelClosedByBroker as error:
            return f"RabbitMQ lacks what a worker declares: {error.reply_text}"
        except UNREACHABLE as error:
            self.close()
            return f"RabbitMQ does not answer: {why_rabbitmq(error)}"
        return None

    def _open(self) -> BlockingChannel:
        if self._connection is None or not self._connection.is_open:
            self._connection = pika.BlockingConnection([_parameters(url) for url in self._urls])
        return self._connection.channel()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        try:
            if connection is not None and connection.is_open:
                connection.close()
        except UNREACHABLE:
            pass  # it is gone, which is what was wanted


def _parameters(url: str) -> pika.URLParameters:
    parameters = pika.URLParameters(url)
    parameters.heartbeat = AMQP_HEARTBEAT_SECONDS
    parameters.socket_timeout = CONNECT_SECONDS
    parameters.stack_timeout = CONNECT_SECONDS
    parameters.blocked_connection_timeout = CONNECT_SECONDS
    parameters.connection_attempts = 1
    parameters.client_properties = {"connection_name": "feedline readiness"}
    return parameters


def watching_engine(settings: Settings) -> Engine:
    """Return an engine for questions that must be answered soon or not at all."""
    url = sqlalchemy_url(settings.database_url.get_secret_value())
    return create_engine(
        url,
        pool_size=2,
        max_overflow=0,
        pool_timeout=1,
        hide_parameters=True,
        connect_args={
            "application_name": "feedline-http",
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": CONNECT_SECONDS * 1000,
            "options": options_of(url, f"-c statement_timeout={STATEMENT_MILLISECONDS} -c lock_timeout=500 -c timezone=UTC"),
        },
    )
