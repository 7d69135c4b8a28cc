"""The demo as a user runs it: on real servers, as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from ops.demonstration.model import ANY_TIME
from ops.demonstration.scenario import scenario

CHECKOUT = Path(__file__).resolve().parents[2]
MARK = "Atzr|A"
"""How the demo's refresh tokens begin."""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ops.demonstration", *arguments]


@pytest.fixture
def temporary(tmp_path: Path) -> dict[str, str]:
    """An environment in which all temporary files of the demo lie in a folder of the test."""
    return {**os.environ, "TMPDIR": str(tmp_path)}


@pytest.mark.timeout(300)
@pytest.mark.requirement("R9", "R61", "R116", "R120", "R123", "R124")
def test_the_demo_proves_every_outcome_and_the_newest_value_of_every_sku(temporary: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        command("--messages", "1500", "--json"), env=temporary, cwd=CHECKOUT, capture_output=True, text=True, timeout=280, check=False
    )

    assert done.returncode == 0, done.stderr + done.stdout
    summary = json.loads(done.stdout)
    assert summary["ok"] is True
    assert summary["differences"] == []
    assert summary["published"] == {"messages": 1500, "repeats": 75, "skus": 375, "sellers": 2, "new_listings": 18, "orders": 16}
    assert summary["imported"]["orders"] == summary["orders"]["known_to_amazon"]
    assert summary["imported"]["listings"] >= 370
    assert summary["orders"]["as_expected"] == summary["orders"]["known_to_amazon"] > 0
    assert summary["catalogue"]["as_expected"] == summary["catalogue"]["skus"] > 0
    assert summary["throttled"] == 0
    assert len({feed["connection"] for feed in summary["feeds"]}) == 2
    assert all(feed["state"] == "settled" for feed in summary["feeds"])
    sayings = len(scenario(1500, 1).sayings(ANY_TIME))
    assert sum(each["got"] for each in summary["outcomes"].values()) == 1500 + sayings - sum(summary["refused_without_identity"].values())
    assert 0 < summary["coalescing"]["feed_messages"] < summary["coalescing"]["valid_messages"]
    assert MARK not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == [], "the demo leaves nothing behind"


@pytest.mark.timeout(120)
def test_a_demo_that_is_told_to_stop_ends_all_that_it_started(temporary: dict[str, str], tmp_path: Path) -> None:
    demo = subprocess.Popen(command("--messages", "1500"), env=temporary, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True)
    assert demo.stderr is not None
    said = _until(demo.stderr, "Publishing")

    demo.send_signal(signal.SIGTERM)
    said += demo.stderr.read()
    code = demo.wait(60)
    demo.stderr.close()

    assert code == 130, said
    assert list(tmp_path.iterdir()) == []
    assert _processes_with(str(tmp_path)) == []


def _until(stream: IO[str], word: str) -> str:
    """Read *stream* up to the line with *word*."""
    said = ""
    for line in stream:
        said += line
        if word in line:
            return said
    pytest.fail(f"the demo ended too early: {said}")


def _processes_with(text: str) -> list[str]:
    """Return the command lines of running processes whose environment or arguments name *text*."""
    shown = subprocess.run(["ps", "eww", "-A", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return [line[:200] for line in shown.splitlines() if text in line and "ps eww" not in line and "pytest" not in line]


@pytest.mark.parametrize("url", ["postgresql://demo:not-to-be-told@127.0.0.1:1/demo", "postgres demo:not-to-be-told"])
def test_a_demo_without_a_database_of_its_own_says_so_in_one_sentence(temporary: dict[str, str], url: str) -> None:
    done = subprocess.run(
        command("--messages", "100"),
        env={**temporary, "FEEDLINE_DATABASE_URL": url},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 2
    assert "FEEDLINE_DATABASE_URL" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "not-to-be-told" not in done.stderr


def test_a_demo_too_small_or_too_fast_is_refused_with_a_sentence() -> None:
    small = subprocess.run(command("--messages", "3"), cwd=CHECKOUT, capture_output=True, text=True, check=False)
    fast = subprocess.run(command("--speed", "fast"), cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert (small.returncode, fast.returncode) == (2, 2)
    assert "3 is no number from 100" in small.stderr
    assert "fast is no number from 1 to 1000" in fast.stderr
