"""Programs that run as children of ours, each in a process group of its own."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.services.account import OURSELVES, Account


class Child:
    """A running program; its output goes to a file, for the sentence that explains why it did not start."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        directory: Path,
        environment: Mapping[str, str],
        account: Account = OURSELVES,
    ) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=dict(environment),
                start_new_session=True,
                user=account.uid,
                group=account.gid,
                extra_groups=account.extra_groups,
            )

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self, with_signal: signal.Signals, within_seconds: float) -> None:
        """Ask the program to end, wait for it, and kill what is left of its group when it does not."""
        if not self.has_ended():
            self._process.send_signal(with_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(within_seconds)
        self.kill()

    def kill(self) -> None:
        """End the whole group at once, as kill -9 does."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def last_words(self) -> str:
        """Return the end of what the program wrote."""
        lines = self._log.read_text(errors="replace").split("\n")
        return " / ".join(line.strip() for line in lines[-12:] if line.strip())[-600:]
