"""`feedline producttype`: the remedy for a wrong product type, against the simulator's catalogue of types."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.cli.conftest import Feedline
from worker.database import Database

if TYPE_CHECKING:
    from ops.simulator.control import Simulator

SHOP = """
version: 1
connections:
  - name: US shop
    marketplace_id: ATVPDKIKX0DER
    selling_partner_id: {seller_id}
    refresh_token: {refresh_token}
    application: {{client_id: "{client_id}", client_secret: "{client_secret}"}}
    sku_prefix: AMZ-
"""


@pytest.fixture
def shop(feedline: Feedline, settings: dict[str, str], simulator: "Simulator", tmp_path: Path) -> Mapping[str, str]:
    """Settings of a Feedline with the connection US shop, whose seller the simulator knows."""
    credentials = simulator.register_seller("A1SELLER")
    (tmp_path / "shop.yaml").write_text(SHOP.format(**credentials._asdict()))
    there = {**settings, "FEEDLINE_LWA_URL": simulator.lwa_url, "FEEDLINE_SP_API_URL": simulator.url}
    done = feedline("connection", "apply", "-f", "shop.yaml", settings=there)
    assert done.returncode == 0, done.stderr
    return there


def _stored(settings: Mapping[str, str]) -> list[tuple[str, ...]]:
    database = Database(settings["FEEDLINE_DATABASE_URL"])
    try:
        with database.begin() as tx:
            return [tuple(row) for row in tx.execute(text("SELECT sku, product_type, product_type_source FROM listing"))]
    finally:
        database.close()


@pytest.mark.requirement("R69")
def test_a_type_is_found_by_keyword_and_set_for_a_sku_with_or_without_its_prefix(feedline: Feedline, shop: Mapping[str, str]) -> None:
    found = feedline("producttype", "search", "cup", "--connection", "US shop", "--json", settings=shop)
    names = [json.loads(line)["product_type"] for line in found.stdout.splitlines()]
    assert names, found.stderr

    done = feedline("producttype", "set", "AMZ-MUG-01", names[0], "--connection", "US shop", settings=shop)

    assert done.returncode == 0, done.stderr
    assert _stored(shop) == [("MUG-01", names[0], "manual")]


@pytest.mark.requirement("R69")
def test_a_type_that_amazon_does_not_have_is_refused(feedline: Feedline, shop: Mapping[str, str]) -> None:
    done = feedline("producttype", "set", "MUG-01", "DRINKING_CUPP", "--connection", "US shop", settings=shop)

    assert done.returncode == 1
    assert "producttype search" in done.stderr
    assert _stored(shop) == []


def test_an_unknown_connection_is_one_sentence(feedline: Feedline, shop: Mapping[str, str]) -> None:
    done = feedline("producttype", "search", "cup", "--connection", "UK shop", settings=shop)

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_a_call_that_amazon_turns_away_says_when_to_try_again(feedline: Feedline, shop: Mapping[str, str], simulator: "Simulator") -> None:
    simulator.fault("throttle", operation="searchDefinitionsProductTypes")

    done = feedline("producttype", "search", "cup", "--connection", "US shop", settings=shop)

    assert done.returncode == 1
    assert re.search(r"^searchDefinitionsProductTypes: Amazon said 429\. Try again after \d\d:\d\d:\d\d UTC\.$", done.stderr, re.MULTILINE)


def test_an_amazon_that_cannot_be_reached_leads_to_doctor(feedline: Feedline, shop: Mapping[str, str]) -> None:
    done = feedline(
        "producttype", "search", "cup", "--connection", "US shop", settings={**shop, "FEEDLINE_SP_API_URL": "http://127.0.0.1:1"}
    )

    assert done.returncode == 1
    assert done.stderr.endswith("no connection (NewConnectionError). Check network and URLs with: feedline doctor\n")
