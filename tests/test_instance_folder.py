"""The folder of an instance's metrics."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from worker.instance_folder import instance_folder

HOLD = "from worker.instance_folder import instance_folder\nwith instance_folder() as folder:\n    print(folder, flush=True)\n    input()"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_folder_goes_at_the_end_of_its_instance(temporary: Path) -> None:
    with instance_folder() as folder:
        assert folder.parent == temporary

    assert list(temporary.iterdir()) == []


def test_folders_of_killed_instances_go_at_the_next_start_and_those_in_use_stay(temporary: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        in_use, killed, fresh = (
            Path(running.stdout.readline().strip()),
            temporary / "feedline-metrics-killed",
            temporary / "feedline-metrics-x",
        )
        for left in (killed, fresh):
            left.mkdir()
            (left / "counter_1.db").touch()
        for old in (in_use, killed):
            os.utime(old, (1, 1))

        with instance_folder() as ours:
            assert set(temporary.iterdir()) == {ours, in_use, fresh}

        running.stdin.close()
        running.wait(10)
