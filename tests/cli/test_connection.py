"""`feedline connection`, as a process on a real Postgres and the simulator."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ops.simulator.control import Simulator
from tests.cli.conftest import Feedline
from worker.database import Database

SECRET = "Atzr|MARKED-SECRET"
FILE = """
version: 1
connections:
  - name: US shop
    marketplace_id: ATVPDKIKX0DER
    selling_partner_id: A1SELLER
    refresh_token: ${TOKEN}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "connections.yaml"
    path.write_text(FILE)
    return path


@pytest.fixture
def environment(settings: dict[str, str]) -> dict[str, str]:
    return {**settings, "TOKEN": SECRET}


@pytest.mark.requirement("R4", "R15")
def test_apply_says_what_changes_and_nothing_the_second_time(feedline: Feedline, environment: dict[str, str], file: Path) -> None:
    checked = feedline("connection", "apply", "-f", str(file), "--check", settings=environment)
    empty = feedline("connection", "list", settings=environment)
    first = feedline("connection", "apply", "-f", str(file), settings=environment)
    second = feedline("connection", "apply", "-f", str(file), "--json", settings=environment)

    assert [each.returncode for each in (checked, empty, first, second)] == [0, 0, 0, 0]
    assert checked.stdout == first.stdout == "US shop: created\n"
    assert empty.stdout.startswith("No connections.")
    assert json.loads(second.stdout)["changes"] == []


@pytest.mark.requirement("R4", "R19")
@pytest.mark.parametrize("check", [(), ("--check",)])
def test_a_refused_file_tells_every_fault_with_its_line_and_stores_nothing(
    feedline: Feedline, environment: dict[str, str], file: Path, check: tuple[str, ...]
) -> None:
    file.write_text(FILE + "    api: mws\n    timezone: ${TOKEN}\n  - name: US shop\n")

    refused = feedline("connection", "apply", "-f", str(file), *check, settings=environment)
    as_json = feedline("connection", "apply", "-f", str(file), *check, "--json", settings=environment)
    stored = feedline("connection", "list", "--json", settings=environment)

    told = refused.stderr.splitlines()
    assert (refused.returncode, as_json.returncode, stored.stdout) == (1, 1, "")
    assert told[0].startswith(f"{file}:8: connections[0].api: ")
    assert told[0].endswith("[MWS_RETIRED]")
    assert [line.split(":")[1] for line in told[:-1]] == ["8", "9", "10", "10", "10", "10"]
    assert told[-1] == "6 faults; nothing was stored."
    assert [fault["line"] for fault in json.loads(as_json.stdout)["faults"]] == [8, 9, 10, 10, 10, 10]
    assert SECRET not in refused.stderr + refused.stdout + as_json.stdout + as_json.stderr


def test_a_file_that_is_not_there_is_wrong_usage_and_one_that_is_not_utf_8_is_refused(
    feedline: Feedline, environment: dict[str, str], file: Path
) -> None:
    file.write_bytes(b"version: 1\nx: \xff\n")

    missing = feedline("connection", "apply", "-f", "nowhere.yaml", settings=environment)
    latin = feedline("connection", "apply", "-f", str(file), settings=environment)

    assert missing.returncode == 2
    assert (latin.returncode, latin.stderr.splitlines()[0].startswith(f"{file}:2: ")) == (1, True)


@pytest.mark.requirement("R4")
def test_show_and_list_tell_all_but_the_secrets(feedline: Feedline, environment: dict[str, str], file: Path) -> None:
    feedline("connection", "apply", "-f", str(file), settings=environment)

    shown = feedline("connection", "show", "US shop", settings=environment)
    as_json = feedline("connection", "show", "US shop", "--json", settings=environment)
    listed: dict[str, Any] = json.loads(feedline("connection", "list", "--json", settings=environment).stdout)

    assert "product_id" in shown.stdout
    assert "If no ASIN use UPC" in shown.stdout
    assert json.loads(as_json.stdout)["settings"]["sync_listings"]["template"]["price"] == {"field": "price"}
    assert (listed["name"], listed["state"], listed["currency"]) == ("US shop", "ready", "USD")
    assert SECRET not in shown.stdout + as_json.stdout
    assert feedline("connection", "show", "nobody", settings=environment).returncode == 1


def test_pause_resume_and_duplicate(feedline: Feedline, environment: dict[str, str], file: Path) -> None:
    feedline("connection", "apply", "-f", str(file), settings=environment)

    def said(*arguments: str) -> tuple[int, str]:
        ended = feedline("connection", *arguments, settings=environment)
        return ended.returncode, ended.stdout.strip() or ended.stderr.strip()

    assert said("pause", "US shop") == (0, "US shop: paused")
    assert said("pause", "US shop") == (0, "US shop: was paused already")
    assert said("resume", "US shop") == (0, "US shop: resumed")
    assert said("duplicate", "US shop", "trial") == (0, "trial: created as a copy of US shop, paused")
    assert said("duplicate", "US shop", "trial")[0] == 1
    assert said("duplicate", "US shop", " ")[0] == 2
    assert said("pause", "nobody")[0] == 1


@pytest.mark.requirement("R12", "R15")
def test_test_says_whether_amazon_takes_the_credentials_and_the_marketplace(
    feedline: Feedline, simulated_settings: dict[str, str], file: Path, simulator: Simulator
) -> None:
    client_id, client_secret = simulated_settings["FEEDLINE_LWA_CLIENT_ID"], simulated_settings["FEEDLINE_LWA_CLIENT_SECRET"]
    simulator.register_seller("A1SELLER", client_id=client_id, client_secret=client_secret, refresh_token=SECRET)
    other = "  - {name: Canada shop, marketplace_id: A2EUQ1WTGCTBG2, selling_partner_id: A1SELLER, refresh_token: '${TOKEN}'}\n"
    stranger = "  - {name: Stranger, marketplace_id: A2EUQ1WTGCTBG2, selling_partner_id: A2SELLER, refresh_token: withdrawn}\n"
    file.write_text(FILE + other + stranger)
    environment = {**simulated_settings, "TOKEN": SECRET}
    feedline("connection", "apply", "-f", str(file), settings=environment)

    good, elsewhere, refused = (
        feedline("connection", "test", name, settings=environment) for name in ("US shop", "Canada shop", "Stranger")
    )
    as_json = feedline("connection", "test", "US shop", "--json", settings=environment)

    assert (good.returncode, elsewhere.returncode, refused.returncode) == (0, 1, 1)
    assert "good" in good.stdout
    assert "the seller does not sell in A2EUQ1WTGCTBG2 (CA)" in elsewhere.stdout
    assert "not obtained" in refused.stdout
    assert json.loads(as_json.stdout) == {
        "connection": "US shop",
        "ok": True,
        "token": True,
        "marketplaces": ["ATVPDKIKX0DER"],
        "fault": None,
    }
    assert SECRET not in good.stdout + good.stderr + refused.stdout + refused.stderr


@pytest.mark.requirement("R12")
def test_test_asks_amazon_anew_and_leaves_the_fleet_alone(
    feedline: Feedline, simulated_settings: dict[str, str], file: Path, simulator: Simulator
) -> None:
    client_id, client_secret = simulated_settings["FEEDLINE_LWA_CLIENT_ID"], simulated_settings["FEEDLINE_LWA_CLIENT_SECRET"]
    simulator.register_seller("A1SELLER", client_id=client_id, client_secret=client_secret, refresh_token=SECRET)
    environment = {**simulated_settings, "TOKEN": SECRET}
    feedline("connection", "apply", "-f", str(file), settings=environment)

    def stored() -> tuple[object, ...]:
        with closing(Database(environment["FEEDLINE_DATABASE_URL"])) as opened, opened.begin() as tx:
            return tuple(tx.exec_driver_sql("SELECT * FROM account").one())

    def tested(**given: str) -> tuple[bool, str | None]:
        said = json.loads(feedline("connection", "test", "US shop", "--json", settings={**environment, **given}).stdout)
        return said["ok"], said["fault"]

    before = stored()
    assert tested() == (True, None)
    is_good, fault = tested(FEEDLINE_LWA_CLIENT_SECRET="another")
    assert (is_good, "invalid_client" in str(fault)) == (False, True)
    simulator.fault("refresh_revoked")
    is_good, fault = tested()
    assert (is_good, "invalid_grant" in str(fault)) == (False, True)
    assert stored() == before
