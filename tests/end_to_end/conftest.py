"""Fixtures of end-to-end tests: a seller with listings at the simulator, its connection applied by the command line, an upstream."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.simulator.control import Simulator
from tests.end_to_end.upstream import MARKETPLACE, NAME, SELLER, Upstream
from tests.worker_process import FEEDLINE

SPEED = 3600


@pytest.fixture
def fast_simulator(start_simulator: Callable[..., Simulator]) -> Simulator:
    simulator = start_simulator(speed=SPEED)
    simulator.put_catalogue(SELLER, MARKETPLACE, [{"sku": f"MUG-{number}", "product_type": "LUGGAGE"} for number in range(1, 201)])
    return simulator


@pytest.fixture
def simulated(settings: dict[str, str], fast_simulator: Simulator, tmp_path: Path) -> dict[str, str]:
    """Settings of a worker whose one connection is applied, with waits short enough for a test."""
    credentials = fast_simulator.register_seller(
        SELLER, (MARKETPLACE,), client_id=settings["FEEDLINE_LWA_CLIENT_ID"], client_secret=settings["FEEDLINE_LWA_CLIENT_SECRET"]
    )
    environment = {
        **settings,
        "FEEDLINE_LWA_URL": fast_simulator.lwa_url,
        "FEEDLINE_SP_API_URL": fast_simulator.url,
        "FEEDLINE_FEED_LINGER_SECONDS": "0.2",
        "FEEDLINE_FEED_POLL_SECONDS": "0.2",
    }
    file = tmp_path / "connections.json"
    entry = {
        "name": NAME,
        "marketplace_id": MARKETPLACE,
        "selling_partner_id": SELLER,
        "refresh_token": credentials.refresh_token,
        "sync_listings": {
            "template": {"price": {"field": "price"}, "quantity": {"field": "quantity"}, "handling_time": {"field": "handling_time"}}
        },
    }
    file.write_text(json.dumps({"version": 1, "connections": [entry]}))
    feedline(environment, "connection", "apply", "-f", str(file))
    return environment


@pytest.fixture
def upstream(vhost: str, fast_simulator: Simulator) -> Iterator[Upstream]:
    opened = Upstream(vhost, fast_simulator)
    yield opened
    opened.close()


def feedline(environment: dict[str, str], *arguments: str) -> str:
    """Run a command of `feedline` and return what it printed; fail with its words when it does."""
    done = subprocess.run(
        [str(FEEDLINE), *arguments], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
