"""The README does what it says: its commands run, its five lines publish, its links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ops.cli import COMMANDS
from ops.demonstration.sellers import SELLERS
from ops.demonstration.surroundings import connection_file, token_variable
from tests.conftest import StartWorker
from tests.eventually import eventually

if TYPE_CHECKING:
    from ops.simulator.control import Simulator

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text()
SKU = "US-00200"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def feedline_lines(block: str) -> list[str]:
    return [line for line in block.splitlines() if line.startswith("feedline ")]


@pytest.fixture
def shop(simulated_settings: dict[str, str], simulator: "Simulator", tmp_path: Path) -> dict[str, str]:
    """An environment as `ops/demo --keep` leaves it: two sellers, one SKU, and a schema."""
    application = {
        "client_id": simulated_settings["FEEDLINE_LWA_CLIENT_ID"],
        "client_secret": simulated_settings["FEEDLINE_LWA_CLIENT_SECRET"],
    }
    settings = {**simulated_settings, "FEEDLINE_FEED_LINGER_SECONDS": "0", "FEEDLINE_FEED_POLL_SECONDS": "0.2", "FEEDLINE_HTTP_PORT": "0"}
    for seller in SELLERS:
        credentials = simulator.register_seller(seller.seller_id, [seller.marketplace_id], **application)
        settings[token_variable(seller)] = credentials.refresh_token
    simulator.put_catalogue(SELLERS[0].seller_id, SELLERS[0].marketplace_id, [{"sku": SKU, "price": "1.00", "quantity": 1}])
    # Amazon's minute for a feed need not be ours.
    simulator.set_limits(processing_base_seconds=0)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FEEDLINE_")}
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    (tmp_path / "connections.yaml").write_text(connection_file())
    return {**inherited, **settings, "PATH": programs, "US_REFRESH_TOKEN": "Atzr|readme"}


def run(line: str, environment: dict[str, str], directory: Path) -> str:
    done = subprocess.run(shlex.split(line), env=environment, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.requirement("R118")
def test_the_first_message_is_published_in_five_lines_and_its_history_told(
    shop: dict[str, str], worker: StartWorker, simulator: "Simulator", tmp_path: Path
) -> None:
    (five_lines,) = blocks("python")
    (telling,) = [feedline_lines(block) for block in blocks("sh") if "feedline trace" in block]
    run("feedline connection apply -f connections.yaml", shop, tmp_path)
    worker(shop).wait_ready()

    run(shlex.join([sys.executable, "-c", five_lines]), shop, tmp_path)
    seller = SELLERS[0]
    eventually(lambda: simulator.catalogue(seller.seller_id, seller.marketplace_id)[SKU]["price"] == "19.90", within_seconds=60)
    eventually(lambda: "accepted" in run("feedline trace first-1", shop, tmp_path), within_seconds=60)

    assert len(five_lines.strip().splitlines()) == 5
    for line in telling:
        run(line, shop, tmp_path)


def test_setting_up_works_as_it_is_written(shop: dict[str, str], tmp_path: Path) -> None:
    (file,) = blocks("yaml")
    (commands,) = [feedline_lines(block) for block in blocks("sh") if "feedline db upgrade" in block]
    (tmp_path / "connections.yaml").write_text(file)

    for line in commands:
        # The daemon is started by the test above.
        said = run(f"{line} --help" if line.startswith("feedline worker") else line, shop, tmp_path)
        assert said


def links() -> Iterator[str]:
    yield from re.findall(r"\]\((?!https?:)([^)#]+)", README)


@pytest.mark.parametrize("link", sorted(set(links())))
def test_every_link_leads_to_something(link: str) -> None:
    assert (CHECKOUT / link).exists()


def test_every_command_is_named_and_every_named_command_exists() -> None:
    named = set(re.findall(r"`(?:feedline )?([a-z]+)`", README.split("## Commands")[1].split("## Running it")[0]))

    assert named == {entry.name for entry in COMMANDS}


def test_every_setting_named_is_one() -> None:
    from worker.settings import Settings

    known = {f"FEEDLINE_{field.upper()}" for field in Settings.model_fields}

    assert set(re.findall(r"FEEDLINE_[A-Z_]+", README)) <= known
