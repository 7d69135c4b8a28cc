"""A seller at the simulator and its connection, set up with the command line as an operator does."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ops.simulator.control import Simulator
from tests.end_to_end.upstream import MARKETPLACE, NAME, SELLER
from tests.worker_process import FEEDLINE

SKUS = 200

_TEMPLATE = {"price": {"field": "price"}, "quantity": {"field": "quantity"}, "handling_time": {"field": "handling_time"}}


def stock(simulator: Simulator, seller: str = SELLER) -> None:
    """Give a seller listings MUG-1 to MUG-200."""
    simulator.put_catalogue(seller, MARKETPLACE, generate={"prefix": "MUG-", "count": SKUS, "product_type": "LUGGAGE"})


def simulated_by(simulator: Simulator, settings: Mapping[str, str]) -> dict[str, str]:
    """Return *settings* with the simulator in Amazon's place, and waits short enough for a test."""
    return {
        **settings,
        "FEEDLINE_LWA_URL": simulator.lwa_url,
        "FEEDLINE_SP_API_URL": simulator.url,
        "FEEDLINE_FEED_LINGER_SECONDS": "0.2",
        "FEEDLINE_FEED_POLL_SECONDS": "0.2",
    }


def connect(
    environment: Mapping[str, str],
    simulator: Simulator,
    folder: Path,
    *,
    name: str = NAME,
    seller: str = SELLER,
    refresh_token: str | None = None,
) -> None:
    """Let *seller* authorise the application of the settings, and apply its connection."""
    credentials = simulator.register_seller(
        seller,
        (MARKETPLACE,),
        client_id=environment["FEEDLINE_LWA_CLIENT_ID"],
        client_secret=environment["FEEDLINE_LWA_CLIENT_SECRET"],
        refresh_token=refresh_token,
    )
    entry = {
        "name": name,
        "marketplace_id": MARKETPLACE,
        "selling_partner_id": seller,
        "refresh_token": credentials.refresh_token,
        "sync_listings": {"template": _TEMPLATE},
        "get_orders": {"every": None},  # a tick would come in one test of thirty, and use up faults that are meant for feeds
    }
    file = folder / f"{seller}.json"
    file.write_text(json.dumps({"version": 1, "connections": [entry]}))
    feedline(environment, "connection", "apply", "-f", str(file))


def feedline(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a command of `feedline` and return what it printed; fail with its words when it does."""
    done = subprocess.run(
        [str(FEEDLINE), *arguments], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
