"""A forked process does not outlive the one that forked it."""

import multiprocessing
import os
import signal
from threading import Event, Thread
from typing import Final

from worker.clock import Clock

LOOK_EVERY_SECONDS: Final = 0.2


def end_with_parent(clock: Clock) -> None:
    """Ask this process to stop, as SIGTERM does, once its parent is gone; a process that was not forked has none.

    `kill -9` of a worker leaves its forks: unseen, for their logs and their HTTP server are gone with it, they would go on
    to take in messages and to lead the fleet.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_watch, args=(parent.pid, clock), name="parent watch", daemon=True).start()


def _watch(parent_pid: int | None, clock: Clock) -> None:
    # Waiting for the parent's sentinel will not do: processes that it forked later hold that open as well.
    never = Event()
    while os.getppid() == parent_pid:
        clock.wait(never, LOOK_EVERY_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
