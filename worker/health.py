"""Liveness: every loop that must not stop leaves a heartbeat in the instance's metrics folder, and somebody looks.

A loop that waits for Postgres or RabbitMQ goes on beating: an outage is no reason to be killed. A beat is the machine's monotonic
clock, which all processes share and no clock change moves.
"""

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from worker.clock import Clock

DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
SILENT_AFTER_SECONDS: Final = 60
BEAT_EVERY_SECONDS: Final = 1
"""A faster loop beats no more often: a beat is a write to a file."""

_SUFFIX: Final = ".beat"
_MOMENT: Final = struct.Struct("=d")


class Heartbeat:
    """The pulse of one loop. The first `beat()` registers it for its process; `end()` says that it stopped on purpose.

    Outside an instance (no metrics folder) it does nothing.
    """

    def __init__(self, name: str, *, clock: Clock | None = None) -> None:
        self.name = name
        self._clock = clock or Clock()
        self._file: int | None = None
        self._path: Path | None = None
        self._pid = 0
        self._beaten_at = float("-inf")

    def beat(self) -> None:
        now = self._clock.monotonic()
        if now - self._beaten_at < BEAT_EVERY_SECONDS and self._pid == os.getpid():
            return
        if self._pid != os.getpid():  # a fork is another process with a pulse of its own
            self._register()
        self._beaten_at = now
        if self._file is not None:
            os.pwrite(self._file, _MOMENT.pack(now), 0)

    def end(self) -> None:
        if self._file is not None and self._path is not None:
            os.close(self._file)
            self._path.unlink(missing_ok=True)
        self._file = None

    def _register(self) -> None:
        self._pid, self._file = os.getpid(), None
        folder = os.environ.get(DIRECTORY_VARIABLE)
        if folder:
            self._path = Path(folder) / f"{self._pid}-{self.name.replace('/', '_')}{_SUFFIX}"
            self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)


class Beat(NamedTuple):
    """`at` is in seconds of the monotonic clock."""

    pid: int
    name: str
    at: float


def beats(folder: Path) -> Iterator[Beat]:
    for path in folder.glob(f"*{_SUFFIX}"):
        pid, _, name = path.name.removesuffix(_SUFFIX).partition("-")
        with contextlib.suppress(FileNotFoundError, struct.error):  # ended, or not yet written
            yield Beat(int(pid), name, _MOMENT.unpack(path.read_bytes())[0])


def silent(folder: Path, now: float, since: float) -> list[str]:
    """Return a sentence for every loop that stopped without saying so; none: the instance lives.

    Args:
        now, since: the monotonic clock, and what it was when the instance began.
    """
    found = list(beats(folder))
    dead = {beat.pid for beat in found if not _runs(beat.pid)}
    sentences = [f"Worker process {pid} died." for pid in sorted(dead)]
    sentences += [
        f"{beat.name} of process {beat.pid} has been silent for {now - beat.at:.0f} s."
        for beat in sorted(found)
        if beat.pid not in dead and now - beat.at > SILENT_AFTER_SECONDS
    ]
    if not found and now - since > SILENT_AFTER_SECONDS:
        sentences.append("No worker process has begun its work.")
    return sentences


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
