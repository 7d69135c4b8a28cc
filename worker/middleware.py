"""What hangs on Dramatiq's life cycle: the HTTP server, the conductor, the actors' metrics, the stop signal."""

import os
from collections.abc import Callable
from threading import Event, Thread
from typing import Any, Final

import structlog
from dramatiq.broker import Broker, MessageProxy
from dramatiq.middleware import Middleware

from worker import http, metrics
from worker.clock import Clock
from worker.parent import end_with_parent

log = structlog.get_logger()

CLOSING_SECONDS: Final = 5
"""How long a worker that has drained, or given up draining, may take to close its connections."""


class Serving(Middleware):
    """Serves /metrics, /healthz and /readyz from a process of its own."""

    @property
    def forks(self) -> list[Callable[[], int]]:
        return [http.serve]


class EndingWithParent(Middleware):
    """Stops a worker process whose parent was killed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def after_process_boot(self, broker: Broker) -> None:  # noqa: ARG002  # Dramatiq's signature
        end_with_parent(self._clock)


class Conducting(Middleware):
    """Starts a conductor in a process that consumes the work queue; says when the worker was asked to stop."""

    def __init__(self, conductor: Callable[[], Thread], work_queue: str, stopping: Event) -> None:
        self._conductor = conductor
        self._work_queue = work_queue
        self._stopping = stopping

    def after_worker_boot(self, broker: Broker, worker: Any) -> None:  # noqa: ANN401, ARG002  # Dramatiq's signature
        if not worker.consumer_whitelist or self._work_queue in worker.consumer_whitelist:
            self._conductor().start()

    def before_worker_shutdown(self, broker: Broker, worker: Any) -> None:  # noqa: ANN401, ARG002
        self._stopping.set()


class Deadline(Middleware):
    """Ends a process that was asked to stop and does not come to its end, as while RabbitMQ answers nothing.

    Nothing is lost: what is not committed is not acknowledged.
    """

    def __init__(self, clock: Clock, drain_seconds: float) -> None:
        self._clock = clock
        self._seconds = drain_seconds + CLOSING_SECONDS

    def before_worker_shutdown(self, broker: Broker, worker: Any) -> None:  # noqa: ANN401, ARG002  # Dramatiq's signature
        Thread(target=self._end, name="deadline", daemon=True).start()

    def _end(self) -> None:
        self._clock.wait(Event(), self._seconds)
        log.warning("worker_stop_cut_short", seconds=self._seconds)
        os._exit(1)


class ActorMetrics(Middleware):
    """Counts and times what the actors do."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        message.options["began"] = self._clock.monotonic()
        metrics.actor_started(message.actor_name)

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002
        message: MessageProxy,
        *,
        result: object = None,  # noqa: ARG002
        exception: BaseException | None = None,
    ) -> None:
        seconds = self._clock.monotonic() - message.options.pop("began", self._clock.monotonic())
        metrics.actor_ended(message.actor_name, seconds, failed=exception is not None)
