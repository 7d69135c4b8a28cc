"""`feedline --help` must answer before its user wonders."""

import subprocess
import sys

from ops.benchmarks.bench import Bench
from ops.benchmarks.measure import Figure, at_most, seconds

MOST_SECONDS = 0.4


def run(bench: Bench, pairs: int) -> list[Figure]:  # noqa: ARG001  # needs no server
    command = [sys.executable, "-m", "ops", "--help"]
    times = [seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(max(pairs, 5))]
    return [at_most("seconds of feedline --help", times, MOST_SECONDS)]
