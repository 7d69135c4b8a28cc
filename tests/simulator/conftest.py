"""One simulator process for all tests of this folder, emptied before each; its clock stands still."""

from collections.abc import Iterator

import pytest

from ops.simulator.control import Simulator
from tests.simulator.client import CANADA, US, Client


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    with Simulator.start() as simulator:
        yield simulator


@pytest.fixture
def simulator(simulator_process: Simulator) -> Simulator:
    """Empty, at speed 1, frozen: only `advance` moves its clock."""
    simulator_process.reset()
    simulator_process.set_speed(1)
    simulator_process.freeze()
    return simulator_process


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Client]:
    """A seller in the US and Canada, logged in."""
    seller = Client(simulator, simulator.register_seller("A1EXAMPLESELLER", (US, CANADA)))
    assert seller.log_in().status == 200
    yield seller
    seller.http.clear()


@pytest.fixture
def other(simulator: Simulator) -> Iterator[Client]:
    """A second seller with the same application."""
    seller = Client(simulator, simulator.register_seller("A2OTHERSELLER"))
    assert seller.log_in().status == 200
    yield seller
    seller.http.clear()
