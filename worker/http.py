"""The instance's HTTP server: /metrics, /healthz, /readyz, in one process beside the worker processes.

`serve` is meant as a Dramatiq fork: it takes its settings from the environment and returns an exit code.
"""

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import make_wsgi_app

from worker import logs
from worker.broker.topology import EXCHANGE, INGEST_QUEUES, WORK
from worker.clock import Clock
from worker.core.json import encode
from worker.errors import FeedlineError
from worker.exposition import FleetCollector, registry
from worker.health import DIRECTORY_VARIABLE, silent
from worker.parent import end_with_parent
from worker.readiness import PostgresReady, RabbitMQReady, Readiness, watching_engine
from worker.settings import Settings
from worker.store.gauges import read

REQUEST_SECONDS: Final = 10
"""A client that sends nothing is hung up on, so that it holds no thread."""

log = logs.get_logger(__name__)


def serve() -> int:
    """Serve until the worker ends. Returns the exit code."""
    settings = Settings.load()
    logs.configure(settings.log_format, settings.log_level)
    folder = Path(os.environ[DIRECTORY_VARIABLE])
    clock = Clock()
    engine = watching_engine(settings)
    readiness = Readiness(
        {"postgres": PostgresReady(engine), "rabbitmq": RabbitMQReady(settings.amqp_urls(), EXCHANGE, (*INGEST_QUEUES, WORK))}, clock=clock
    )
    try:
        server = listen(
            settings.http_host, settings.http_port, endpoints(folder, readiness, FleetCollector(lambda: read(engine), clock), clock)
        )
    except FeedlineError as error:
        log.exception("http_not_listening")
        return error.exit_code
    readiness.start()
    end_with_parent(clock)
    host, port = server.server_address[:2]
    if settings.http_port == 0:
        logging.getLogger(__name__).setLevel(logging.INFO)  # nobody else knows the port: it is told whatever the level
    log.info("http_listening", host=host, port=port)
    with server:
        server.serve_forever()
    return 0


def endpoints(folder: Path, readiness: Readiness, fleet: FleetCollector, clock: Clock) -> WSGIApplication:
    """Return the application. *folder*: the instance's metrics folder."""
    metrics = make_wsgi_app(registry(folder, fleet))
    began = clock.monotonic()

    def healthz() -> tuple[HTTPStatus, dict[str, Any]]:
        faults = silent(folder, clock.monotonic(), began)
        return HTTPStatus.SERVICE_UNAVAILABLE if faults else HTTPStatus.OK, {"alive": not faults, "faults": faults}

    def readyz() -> tuple[HTTPStatus, dict[str, Any]]:
        faults = readiness.faults()
        ready = not any(faults.values())
        checks = {name: {"ok": fault is None, "fault": fault} for name, fault in faults.items()}
        return HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, {"ready": ready, "checks": checks}

    probes: dict[str, Callable[[], tuple[HTTPStatus, dict[str, Any]]]] = {"/healthz": healthz, "/readyz": readyz}

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return _answer(environ, start_response, HTTPStatus.METHOD_NOT_ALLOWED, {"error": "Use GET."})
        try:
            if path == "/metrics":
                return metrics(environ, start_response)  # type: ignore[no-any-return]  # prometheus_client types it as Any
            if path in probes:
                return _answer(environ, start_response, *probes[path]())
        except Exception:  # wsgiref would print it on stderr, past the log
            log.exception("http_request_failed", path=path)
            return _answer(environ, start_response, HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "See the log."})
        return _answer(environ, start_response, HTTPStatus.NOT_FOUND, {"error": "Ask for /metrics, /healthz or /readyz."})

    return application


def _answer(environ: WSGIEnvironment, start_response: StartResponse, status: HTTPStatus, body: dict[str, Any]) -> list[bytes]:
    content = encode(body) + b"\n"
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content))), ("Cache-Control", "no-store")]
    start_response(f"{status.value} {status.phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        # WSGIServer asks the name service for its own name here, which can take seconds where there is none.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  # the base class' signature
        """A client that went away in the middle is its own business, and no reason for a traceback on stderr."""
        log.debug("http_request_broken_off", exc_info=sys.exception())


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401  # the base class' signature
        """A scrape every few seconds is no news."""


def listen(host: str, port: int, application: WSGIApplication) -> WSGIServer:
    """Return a server that listens on *port*, 0 for any free one. Raises FeedlineError when it cannot."""
    kind = _Server6 if ":" in host else _Server
    try:
        server = kind((host, port), _Quiet)
    except OSError as error:
        raise FeedlineError(
            f"{host}:{port} cannot be listened on ({error.strerror}). Set FEEDLINE_HTTP_HOST or FEEDLINE_HTTP_PORT."
        ) from error
    server.set_app(application)
    return server


def refuse_taken_port(settings: Settings) -> None:
    """Raise FeedlineError when the port cannot be listened on: better said before the processes start than by one of them."""

    def nothing(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
        return []

    listen(settings.http_host, settings.http_port, nothing).server_close()
