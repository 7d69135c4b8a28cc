"""`feedline doctor`: is all there that Feedline needs, and what to do where it is not."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

import typer

from ops.cli.output import Json, emit, say
from ops.cli.settings import lenient, unknown_variables
from worker.clock import Clock
from worker.unreachable import why_postgres, why_rabbitmq

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pika import BlockingConnection
    from sqlalchemy import Connection

    from worker.settings import Settings

LEAST_POSTGRES: Final = 14
LEAST_RABBITMQ: Final = (3, 10)
"""The first with dead lettering at least once, which the queues are declared with."""

MOST_CLOCK_SKEW: Final = timedelta(seconds=5)
"""Due times and quotas are kept on Postgres' clock; log times and the times of messages are not."""

CONNECT_SECONDS: Final = 3
ANSWER_SECONDS: Final = 5
NOT_FOUND: Final = 404


class State(StrEnum):
    OK = "ok"
    NOTE = "note"
    FAIL = "fail"


class Finding(NamedTuple):
    """What one check found; `remedy` is empty where nothing is to be done."""

    check: str
    state: State
    says: str
    remedy: str = ""


def doctor(*, as_json: Json = False) -> None:
    """Check settings, Postgres, RabbitMQ and the way to Amazon.

    Every line says what was found and, where it is not well, what to do. Changes nothing. Exit code 1 when a check fails.
    """
    # The warnings of libraries would stand between the findings.
    from worker import logs

    logs.configure(logs.CONSOLE, "error")
    found = []
    for finding in findings():
        found.append(finding)
        if not as_json:
            say(f"{finding.state:<4}  {finding.check:<10}  {finding.says}" + (f"\n{'':18}{finding.remedy}" if finding.remedy else ""))
    if as_json:
        emit({"ok": all(finding.state is not State.FAIL for finding in found), "checks": [finding._asdict() for finding in found]})
    if any(finding.state is State.FAIL for finding in found):
        raise typer.Exit(1)


def findings() -> Iterator[Finding]:
    """Yield what every check finds, each as soon as it is known. A server whose setting is wrong is not asked."""
    settings, faults = lenient()
    for fault in faults.values():
        yield Finding("settings", State.FAIL, fault, "feedline settings lists all of them.")
    if not faults:
        yield Finding("settings", State.OK, "All required settings are there.")
    for name in unknown_variables():
        yield Finding("settings", State.NOTE, f"{name} is no setting of Feedline and has no effect.", "Correct its name, or remove it.")
    if "FEEDLINE_DATABASE_URL" not in faults:
        yield from _postgres(settings)
    if "FEEDLINE_AMQP_URL" not in faults:
        yield from _rabbitmq(settings)
    yield from _amazon(settings, faults)


def _postgres(settings: "Settings") -> Iterator[Finding]:
    from sqlalchemy.exc import SQLAlchemyError

    from worker.database import Database

    database = Database(settings.database_url.get_secret_value(), application_name="feedline-doctor", pool_size=1)
    try:
        with database.engine.connect() as connection:
            yield from _version_and_clock(connection)
            yield from _schema(connection)
    except SQLAlchemyError as error:
        yield Finding(
            "postgres", State.FAIL, why_postgres(error), "Check FEEDLINE_DATABASE_URL, and that the server runs and lets this host in."
        )
    finally:
        database.close()


def _version_and_clock(connection: "Connection") -> Iterator[Finding]:
    from sqlalchemy import text

    number, version, name, server_now = connection.execute(
        text("SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_database(), clock_timestamp()")
    ).one()
    if number // 10_000 < LEAST_POSTGRES:
        yield Finding("postgres", State.FAIL, f"The server has version {version}.", f"Feedline needs {LEAST_POSTGRES} or newer.")
    else:
        yield Finding("postgres", State.OK, f"Version {version.split()[0]}, database {name}.")
    skew = abs(Clock().now() - server_now)
    if skew > MOST_CLOCK_SKEW:
        remedy = "Have both machines keep time by NTP."
        yield Finding("clock", State.FAIL, f"This machine's clock and the server's are {skew.total_seconds():.0f} s apart.", remedy)
    else:
        yield Finding("clock", State.OK, f"Less than {MOST_CLOCK_SKEW.total_seconds():.0f} s from the server's.")


def _schema(connection: "Connection") -> Iterator[Finding]:
    from sqlalchemy import text

    from schema.migrate import current, unfit

    says = unfit(connection)
    if says is not None:
        sentence, _, remedy = says.partition(". ")
        yield Finding("schema", State.FAIL, f"{sentence}.", remedy or "Run: feedline db upgrade")
        return
    yield Finding("schema", State.OK, f"Revision {current(connection)}.")
    unauthorized = connection.execute(
        text(
            "SELECT c.name, a.authorization_fault FROM connection c JOIN account a ON a.id = c.account_id "
            "WHERE a.authorization_fault IS NOT NULL ORDER BY c.name"
        )
    )
    for name, fault in unauthorized:
        yield Finding(
            "connection",
            State.FAIL,
            f"{name} is not authorised: {fault}",
            f'Correct it until feedline connection test "{name}" is good, then: feedline connection apply',
        )


def _rabbitmq(settings: "Settings") -> Iterator[Finding]:
    """Ask every node for its version, and the first that answers for the queues."""
    import pika

    from worker.broker.unreachable import UNREACHABLE

    queues_seen = False
    for url in settings.amqp_urls():
        node = pika.URLParameters(url)
        node.socket_timeout = node.stack_timeout = node.blocked_connection_timeout = CONNECT_SECONDS
        node.connection_attempts = 1
        try:
            connection = pika.BlockingConnection(node)
            yield _broker_version(connection, f"{node.host}:{node.port}, virtual host {node.virtual_host}")
            if not queues_seen:
                queues_seen = True
                yield from _queues(connection)
            connection.close()
        except UNREACHABLE as error:
            remedy = "Check FEEDLINE_AMQP_URL, that the broker runs, and that the user may use the virtual host."
            yield Finding("rabbitmq", State.FAIL, f"{node.host}:{node.port}: {why_rabbitmq(error)}", remedy)


def _broker_version(connection: "BlockingConnection", where: str) -> Finding:
    # The server says it in its greeting; pika keeps that on the connection below the blocking one.
    version = str((connection._impl.server_properties or {}).get("version", "0"))  # noqa: SLF001
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < LEAST_RABBITMQ:
        return Finding("rabbitmq", State.FAIL, f"Version {version} at {where}.", "Feedline needs RabbitMQ 3.10 or newer.")
    return Finding("rabbitmq", State.OK, f"Version {version} at {where}.")


def _queues(connection: "BlockingConnection") -> Iterator[Finding]:
    from pika.exceptions import ChannelClosedByBroker

    from worker.broker.topology import DEAD, QUEUES

    for queue in QUEUES:
        channel = connection.channel()
        try:
            declared = channel.queue_declare(queue.name, passive=True).method
            channel.close()
        except ChannelClosedByBroker as error:
            is_missing = error.reply_code == NOT_FOUND
            says = f"{queue.name} does not exist yet." if is_missing else f"{queue.name}: {error.reply_text}"
            remedy = "Start a worker: it declares exchanges and queues." if is_missing else "Let the user read and configure it."
            yield Finding("queue", State.NOTE if is_missing else State.FAIL, says, remedy)
            continue
        counted = f"{queue.name} holds {declared.message_count:,} messages and has {declared.consumer_count:,} consumers."
        if queue.name == DEAD and declared.message_count:
            yield Finding("queue", State.NOTE, counted, "Somebody's policy (a TTL, a limit) let these die. Look at their x-death header.")
        else:
            yield Finding("queue", State.OK, counted)


def _amazon(settings: "Settings", faults: "Mapping[str, str]") -> Iterator[Finding]:
    """Whether the endpoints can be reached; whether a seller's login is good is told by `feedline connection test`."""
    from worker.core.marketplaces import ENDPOINTS

    if "FEEDLINE_LWA_URL" not in faults:
        yield _reach("login", settings.lwa_url, "FEEDLINE_LWA_URL")
    if "FEEDLINE_SP_API_URL" not in faults:
        for url in [settings.sp_api_url] if settings.sp_api_url else ENDPOINTS.values():
            yield _reach("sp-api", url, "FEEDLINE_SP_API_URL")


def _reach(check: str, url: str, setting: str) -> Finding:
    """Any answer will do: without a token Amazon refuses, and so is there."""
    import urllib3
    from urllib3.exceptions import HTTPError

    host = urlsplit(url).netloc.rpartition("@")[2]
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)
    try:
        with urllib3.PoolManager(retries=False) as pool:
            answer = pool.request("GET", url, timeout=timeout, redirect=False, preload_content=False)
            answer.close()
    except HTTPError as error:
        return Finding(
            check, State.FAIL, f"{host} cannot be reached ({type(error).__name__}).", f"Check the network, DNS, proxy, and {setting}."
        )
    return Finding(check, State.OK, f"{host} answers.")
