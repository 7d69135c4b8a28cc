"""The folder in which the processes of one instance leave their metrics and heartbeats; it goes when the instance does."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "feedline-metrics-"
_YOUNG_SECONDS: Final = 60
"""A folder that was made so shortly before ours may not be locked yet."""


@contextmanager
def instance_folder() -> Iterator[Path]:
    """Make a folder for this process and its forks, remove it at the end, and those that killed instances have left.

    An instance holds a lock on its folder, which its forks inherit and which ends with the last of them, however they end.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for other in folder.parent.glob(f"{_PREFIX}*"):
            _remove_if_orphaned(other, folder.stat().st_mtime - _YOUNG_SECONDS)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_if_orphaned(folder: Path, made_before: float) -> None:
    with suppress(OSError):  # it is in use, another user's, or gone already
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.stat().st_mtime < made_before:
                shutil.rmtree(folder)
        finally:
            os.close(lock)
