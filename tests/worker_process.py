"""`feedline worker` as a real process."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import eventually

FEEDLINE = Path(sys.executable).with_name("feedline")


class WorkerProcess:
    """A running worker, with its forks in a process group of its own; its log goes to a file."""

    def __init__(self, settings: Mapping[str, str], log: Path, *arguments: str) -> None:
        self.log_path = log
        # The machine's own FEEDLINE_* settings are not the test's.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FEEDLINE_")}
        defaults = {"FEEDLINE_HTTP_PORT": "0", "FEEDLINE_LOG_FORMAT": "json", "TMPDIR": str(log.parent)}
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(FEEDLINE), "worker", *arguments],
                env={**inherited, **defaults, **settings},
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def logs(self) -> list[dict[str, Any]]:
        """Return the log lines so far; a line that is not JSON comes as `{"event": "not_json", "line": ...}`."""
        return [_parsed(line) for line in self.log_path.read_text(errors="replace").splitlines() if line.strip()]

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.logs() if line.get("event") == event]

    def http_port(self, within_seconds: float = 60) -> int:
        def port() -> int | None:
            self._must_run()
            return next((int(line["port"]) for line in self.logged("http_listening")), None)

        found = eventually(port, within_seconds)
        assert found
        return found

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of an answer of the worker's own HTTP server."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port()}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def is_ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def wait_ready(self, within_seconds: float = 60) -> "WorkerProcess":
        def ready() -> bool:
            self._must_run()
            return self.is_ready()

        eventually(ready, within_seconds)
        return self

    def terminate(self, within_seconds: float = 40) -> int:
        """Send SIGTERM to the worker, wait for it to drain, and return its exit code."""
        if self.exit_code is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(within_seconds)

    def running(self) -> list[int]:
        """Return the pids of the worker and its forks, as far as they run."""
        listed = subprocess.run(["ps", "-A", "-o", "pgid=,pid=,stat="], capture_output=True, text=True, check=True).stdout
        found = (line.split() for line in listed.splitlines())
        return [int(pid) for pgid, pid, state in found if int(pgid) == self.pid and not state.startswith("Z")]

    def kill9(self) -> None:
        """Kill the worker and its forks at whatever instruction they are."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _must_run(self) -> None:
        if self.exit_code is not None:
            # No Exception, so that `eventually` does not try again.
            pytest.fail(f"feedline worker ended with {self.exit_code}: {self.log_path.read_text(errors='replace')[-2000:]}")


def _parsed(line: str) -> dict[str, Any]:
    with contextlib.suppress(json.JSONDecodeError):
        parsed = json.loads(line)
        if isinstance(parsed, dict):
            return parsed
    return {"event": "not_json", "line": line}
