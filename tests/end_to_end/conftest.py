"""Fixtures of end-to-end tests: a seller with listings at the simulator, its connection applied by the command line, an upstream."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.simulator.control import Simulator
from tests.end_to_end.ledger import Ledger
from tests.end_to_end.shop import connect, simulated_by, stock
from tests.end_to_end.upstream import Upstream

SPEED = 3600


@pytest.fixture
def fast_simulator(start_simulator: Callable[..., Simulator]) -> Simulator:
    simulator = start_simulator(speed=SPEED)
    # An hour of ours: a token of a second grows old between two statements of a busy machine.
    simulator.set_limits(token_seconds=3600 * SPEED)
    stock(simulator)
    return simulator


@pytest.fixture
def simulated(settings: dict[str, str], fast_simulator: Simulator, tmp_path: Path) -> dict[str, str]:
    """Settings of a worker whose one connection is applied, with waits short enough for a test."""
    environment = simulated_by(fast_simulator, settings)
    connect(environment, fast_simulator, tmp_path)
    return environment


@pytest.fixture
def upstream(vhost: str, fast_simulator: Simulator) -> Iterator[Upstream]:
    opened = Upstream(vhost, fast_simulator)
    yield opened
    opened.close()


@pytest.fixture
def ledger(database: str) -> Ledger:
    return Ledger(database)
