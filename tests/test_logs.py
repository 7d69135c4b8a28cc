"""Logs: one JSON line an event, and no secret in any of them, whoever wrote it."""

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
import structlog
from dramatiq.brokers.stub import StubBroker

from tests.eventually import eventually
from worker import logs
from worker.errors import FeedlineError


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged as JSON, at level info, during the test."""
    root, stream = logging.getLogger(), io.StringIO()
    before = (
        root.handlers[:],
        root.level,
        threading.excepthook,
        {name: logging.getLogger(name).level for name in ("pika", "spapi", "urllib3", "alembic")},
    )
    logs.configure(logs.JSON, "info", stream=stream)
    yield stream
    root.handlers[:], root.level, threading.excepthook = before[:3]
    for name, level in before[3].items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def _lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_an_event_is_one_line_of_json_with_its_facts_and_what_is_bound(written: io.StringIO) -> None:
    with logs.bound(connection="US shop"):
        logs.get_logger("here").info("feed_submitted", feed_id=3, changes=412)
    logs.get_logger("here").debug("not_at_this_level")

    (line,) = _lines(written)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"level": "info", "event": "feed_submitted", "logger": "here", "connection": "US shop", "feed_id": 3, "changes": 412}


@pytest.mark.requirement("R4")
@pytest.mark.parametrize(
    "facts",
    [
        {"refresh_token": "marked-secret"},
        {"headers": {"Authorization": "Bearer marked-secret", "x-amz-access-token": "marked-secret"}},
        {"url": "amqp://user:marked-secret@host/vhost"},
        {"url": "postgresql://user:marked-secret@host/db"},
        {"upload": "https://bucket.example/key?X-Amz-Signature=marked-secret"},
        {"said": "no login with Atzr|marked-secret here"},
        {"dsn": "host=h password=marked-secret"},
        {"body": b"marked-secret"},
        {"thing": object()},
        {"nested": [{"deep": [{"client_secret": "marked-secret"}]}]},
    ],
)
def test_a_secret_is_taken_out_wherever_it_stands(written: io.StringIO, facts: dict[str, object]) -> None:
    logs.get_logger("here").warning("something_happened", **facts)
    logging.getLogger("library").warning("something happened: %s", facts)

    assert len(_lines(written)) == 2
    assert "marked-secret" not in written.getvalue().splitlines()[0]


@pytest.mark.requirement("R4")
def test_a_url_in_a_library_s_line_loses_its_password_and_its_signature(written: io.StringIO) -> None:
    logging.getLogger("library").warning("Retrying %s and %s", "https://u:marked@h/p", "https://h/p?X-Amz-Signature=marked")

    assert "marked" not in written.getvalue()
    assert "Retrying https://***@h/p and https://h/p?***" in written.getvalue()


def test_counts_of_tokens_are_no_secrets(written: io.StringIO) -> None:
    logs.get_logger("here").info("quota_taken", quota_tokens=3.5)

    assert _lines(written)[0]["quota_tokens"] == 3.5


def test_an_exception_tells_its_kind_and_place_and_only_our_own_its_text(written: io.StringIO) -> None:
    def fail(error: Exception) -> None:
        raise error

    for error in (FeedlineError("Run: feedline db upgrade"), ValueError("marked personal data")):
        try:
            fail(error)
        except type(error):
            logs.get_logger("here").exception("it_failed")

    ours, theirs = _lines(written)
    assert (ours["error"], ours["error_text"]) == ("FeedlineError", "Run: feedline db upgrade")
    assert theirs["error"] == "ValueError"
    assert "test_logs.py" in theirs["raised_in"][-1]
    assert "marked" not in written.getvalue()


def test_a_failing_actor_does_not_log_what_it_was_given(written: io.StringIO) -> None:
    broker = StubBroker(middleware=[])

    @dramatiq.actor(broker=broker, queue_name="q")
    def stage_inventory(event: dict[str, str]) -> None:
        raise KeyError(event["sku"])

    worker = dramatiq.Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    try:
        stage_inventory.send({"sku": "marked personal data"})
        eventually(lambda: "unhandled exception" in written.getvalue())
    finally:
        worker.stop()
        broker.close()

    assert "stage_inventory" in written.getvalue()
    assert "marked" not in written.getvalue()


WARN_AND_DIE = """
import threading, warnings
from worker import logs
from worker.errors import FeedlineError
def die():
    raise FeedlineError("no more")
logs.configure(logs.JSON, "info")
warnings.warn("old-fashioned")
threading.Thread(target=die, name="short-lived").start()
"""


def test_warnings_and_dying_threads_are_lines_like_any_other() -> None:
    done = subprocess.run([sys.executable, "-c", WARN_AND_DIE], capture_output=True, text=True, check=True)

    warned, died = [json.loads(line) for line in done.stderr.splitlines()]
    assert "old-fashioned" in warned["event"]
    assert (died["event"], died["thread"], died["error_text"]) == ("thread_died", "short-lived", "no more")


def test_libraries_that_log_bodies_and_urls_are_kept_quiet(written: io.StringIO) -> None:
    for name in ("spapi.rest", "urllib3.connectionpool", "pika.connection"):
        logging.getLogger(name).info("marked")

    assert written.getvalue() == ""


def test_the_console_form_is_for_eyes(written: io.StringIO) -> None:
    logs.configure(logs.CONSOLE, "info", stream=written)

    logs.get_logger("here").error("it_failed", password="marked", exc_info=FeedlineError("no more"))

    assert "it_failed" in written.getvalue()
    assert "no more" in written.getvalue()
    assert "marked" not in written.getvalue()
