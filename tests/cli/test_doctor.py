"""`feedline doctor`."""

import json
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pika
import pytest

from tests.cli.conftest import Feedline
from worker.broker.topology import declare

if TYPE_CHECKING:
    from ops.simulator.control import Simulator


@pytest.fixture
def all_there(settings: dict[str, str], simulator: "Simulator") -> dict[str, str]:
    connection = pika.BlockingConnection(pika.URLParameters(settings["FEEDLINE_AMQP_URL"]))
    declare(connection)
    connection.close()
    return {**settings, "FEEDLINE_LWA_URL": simulator.url + "/auth/o2/token", "FEEDLINE_SP_API_URL": simulator.url}


def _checks(done: "subprocess.CompletedProcess[str]", check: str) -> list[dict[str, Any]]:
    return [found for found in json.loads(done.stdout)["checks"] if found["check"] == check]


def test_all_is_well_where_all_is_there(feedline: Feedline, all_there: dict[str, str]) -> None:
    done = feedline("doctor", settings=all_there)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "fail" not in done.stdout
    assert all(word in done.stdout for word in ("postgres", "rabbitmq", "schema", "queue", "login", "sp-api"))
    assert all_there["FEEDLINE_LWA_CLIENT_SECRET"] not in done.stdout


def test_the_broker_tells_its_version_itself(feedline: Feedline, all_there: dict[str, str]) -> None:
    (found,) = _checks(feedline("doctor", "--json", settings=all_there), "rabbitmq")

    assert found["says"].startswith("Version 3.") or found["says"].startswith("Version 4.")


def test_a_setting_of_an_unknown_name_is_named_and_not_fatal(feedline: Feedline, all_there: dict[str, str]) -> None:
    done = feedline("doctor", "--json", settings={**all_there, "FEEDLINE_FEED_LINGER": "3"})

    assert done.returncode == 0
    assert any("FEEDLINE_FEED_LINGER " in found["says"] for found in _checks(done, "settings"))


def test_every_fault_is_told_with_its_remedy(feedline: Feedline, settings: dict[str, str]) -> None:
    unreachable = {
        "FEEDLINE_DATABASE_URL": "postgresql://u:marked-password@127.0.0.1:1/d",
        "FEEDLINE_AMQP_URL": "amqp://u:marked-password@127.0.0.1:1/",
        "FEEDLINE_LWA_URL": "http://127.0.0.1:1/",
        "FEEDLINE_SP_API_URL": "http://127.0.0.1:1/",
        "FEEDLINE_HTTP_PORT": "99999",
    }

    done = feedline("doctor", "--json", settings={**settings, **unreachable})

    failed = [found for found in json.loads(done.stdout)["checks"] if found["state"] == "fail"]
    assert done.returncode == 1
    assert {found["check"] for found in failed} == {"settings", "postgres", "rabbitmq", "login", "sp-api"}
    assert all(found["remedy"] for found in failed)
    assert "marked-password" not in done.stdout + done.stderr


def test_servers_that_take_the_connection_and_say_nothing_are_found_out(feedline: Feedline, settings: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        urls = {"FEEDLINE_AMQP_URL": f"amqp://{where}/", "FEEDLINE_LWA_URL": f"http://{where}/", "FEEDLINE_SP_API_URL": f"http://{where}/"}

        done = feedline("doctor", "--json", settings={**settings, **urls, "FEEDLINE_DATABASE_URL": f"postgresql://{where}/d"})

    failed = [found["check"] for found in json.loads(done.stdout)["checks"] if found["state"] == "fail"]
    assert (done.returncode, failed) == (1, ["postgres", "rabbitmq", "login", "sp-api"])


def test_a_database_without_the_schema_is_sent_to_db_upgrade(feedline: Feedline, settings: dict[str, str], empty_database: str) -> None:
    done = feedline("doctor", "--json", settings={**settings, "FEEDLINE_DATABASE_URL": empty_database})

    (found,) = _checks(done, "schema")
    assert (found["state"], "feedline db upgrade" in found["remedy"]) == ("fail", True)


def test_queues_that_no_worker_has_declared_yet_are_no_fault(feedline: Feedline, settings: dict[str, str], simulator: "Simulator") -> None:
    done = feedline(
        "doctor",
        "--json",
        settings={**settings, "FEEDLINE_LWA_URL": simulator.url + "/auth/o2/token", "FEEDLINE_SP_API_URL": simulator.url},
    )

    assert done.returncode == 0
    assert {found["state"] for found in _checks(done, "queue")} == {"note"}
