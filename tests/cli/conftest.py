"""The command `feedline` as its users run it: a process."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

FEEDLINE = Path(sys.executable).with_name("feedline")

Feedline = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def feedline(tmp_path: Path) -> Feedline:
    """Call with arguments, `settings` and `stdin` to run the command in an empty folder, without the machine's own settings."""

    def run(*arguments: str, settings: Mapping[str, str] | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FEEDLINE_")}
        return subprocess.run(
            [str(FEEDLINE), *arguments],
            env={**inherited, **(settings or {})},
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
