"""`feedline settings`."""

import base64
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Feedline

MARKED = {
    "FEEDLINE_DATABASE_URL": "postgresql://u:marked-secret-1@h/d",
    "FEEDLINE_AMQP_URL": "amqp://u:marked-secret-2@h/",
    "FEEDLINE_SECRET_KEYS": base64.urlsafe_b64encode(b"marked-secret-3".ljust(32, b"-")).decode(),
    "FEEDLINE_LWA_CLIENT_ID": "amzn1.application-oa2-client.1",
    "FEEDLINE_LWA_CLIENT_SECRET": "marked-secret-4",
}


@pytest.mark.requirement("R4")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_secret_is_listed(feedline: Feedline, form: list[str]) -> None:
    done = feedline("settings", *form, settings=MARKED)

    assert done.returncode == 0
    assert "FEEDLINE_LWA_CLIENT_SECRET" in done.stdout
    assert "marked-secret" not in done.stdout + done.stderr
    assert MARKED["FEEDLINE_SECRET_KEYS"] not in done.stdout + done.stderr


def test_every_setting_has_name_value_default_and_meaning(feedline: Feedline) -> None:
    listed = json.loads(feedline("settings", "--json", settings={**MARKED, "FEEDLINE_HTTP_PORT": "0"}).stdout)

    port = next(line for line in listed if line["name"] == "FEEDLINE_HTTP_PORT")
    assert (port["value"], port["origin"], port["default"]) == ("0", "environment", "9464")
    assert all(line["meaning"] for line in listed)


def test_one_wrong_setting_hides_no_other(feedline: Feedline) -> None:
    wrong = {
        "FEEDLINE_HTTP_PORT": "x",
        "FEEDLINE_DATABASE_URL": "mysql://h",
        "FEEDLINE_SECRET_KEYS": "short",
        "FEEDLINE_SP_API_URL": "ftp://h",
    }

    done = feedline("settings", "--json", settings={**MARKED, **wrong})

    assert done.returncode == 2
    assert {line["name"] for line in json.loads(done.stdout) if line["fault"]} == wrong.keys()


@pytest.mark.requirement("R4")
@pytest.mark.parametrize(
    "url",
    [
        "amqp://guest@host/",
        "amqp://user:marked/secret@host/",
        "amqp://user:1234/marked@host/",
        "amqp://user:1234#marked@host/",
        "amqp://user:1234?marked@host/",
        "amqp://user:marked@host/?heartbeat=x",
        "amqp://user:marked@host/?unknown=1",
        "amqp://user:marked@host/?client_properties=(",
        "amqp://user:good@one/;amqp://user:marked/secret@two/",
    ],
)
@pytest.mark.parametrize("command", ["settings", "doctor", "worker"])
def test_a_malformed_broker_url_is_one_sentence_without_its_password(feedline: Feedline, command: str, url: str) -> None:
    nobody = {"FEEDLINE_LWA_URL": "http://127.0.0.1:1/", "FEEDLINE_SP_API_URL": "http://127.0.0.1:1/"}

    done = feedline(command, settings={**MARKED, **nobody, "FEEDLINE_AMQP_URL": url})

    assert done.returncode == (1 if command == "doctor" else 2)
    assert "it is not an AMQP URL" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not any(part in done.stdout + done.stderr for part in ("marked/", "1234", "marked@", "'marked'"))


@pytest.mark.requirement("R4")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FEEDLINE_DATABASE_URL", "postgresql://u:1234@marked@h/d"),
        ("FEEDLINE_DATABASE_URL", "postgresql://u:1234@marked@h1,h2/d"),
        ("FEEDLINE_DATABASE_URL", "postgresql://u:marked@h:x/d"),
        ("FEEDLINE_DATABASE_URL", "postgresql://u:marked@h/d?nonsense=1"),
        ("FEEDLINE_LWA_URL", "ftp://u:marked@h/"),
        ("FEEDLINE_LWA_URL", "https://[h"),
        ("FEEDLINE_LWA_URL", "https://"),
        ("FEEDLINE_SP_API_URL", "https://h:99999/"),
        ("FEEDLINE_SP_API_URL", "https://u:marked@h/"),
    ],
)
@pytest.mark.parametrize("command", ["settings", "doctor", "status"])
def test_a_malformed_url_is_one_sentence_with_its_name_and_without_its_password(
    feedline: Feedline, command: str, name: str, value: str
) -> None:
    nobody = {"FEEDLINE_LWA_URL": "http://127.0.0.1:1/", "FEEDLINE_SP_API_URL": "http://127.0.0.1:1/"}
    unreachable = {"FEEDLINE_DATABASE_URL": "postgresql://h:1@127.0.0.1:1/d", "FEEDLINE_AMQP_URL": "amqp://127.0.0.1:1/"}

    done = feedline(command, settings={**MARKED, **nobody, **unreachable, name: value})

    (said,) = [line for line in (done.stdout + done.stderr).splitlines() if f"{name} " in line and "is wrong: " in line]
    assert done.returncode == (1 if command == "doctor" else 2)
    assert said.count(name) == 1
    assert "Traceback" not in done.stderr
    assert not any(part in done.stdout + done.stderr for part in ("marked", "1234"))


def test_space_around_a_value_is_none_of_its_own(feedline: Feedline) -> None:
    done = feedline("settings", settings={name: f" {value}\n" for name, value in {**MARKED, "FEEDLINE_LOG_FORMAT": "JSON"}.items()})

    assert (done.returncode, done.stderr) == (0, "")


def test_a_dotenv_file_that_is_not_utf_8_is_one_sentence(feedline: Feedline, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"FEEDLINE_LWA_CLIENT_ID=caf\xe9\n")

    done = feedline("status", settings=MARKED)

    assert (done.returncode, done.stderr) == (2, "The file .env is not UTF-8. Save it as UTF-8.\n")


def test_a_dotenv_file_may_begin_with_a_byte_order_mark(feedline: Feedline, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FEEDLINE_LWA_CLIENT_ID=from-the-file\n", encoding="utf-8-sig")

    done = feedline("settings", settings={name: value for name, value in MARKED.items() if name != "FEEDLINE_LWA_CLIENT_ID"})

    assert (done.returncode, "from-the-file" in done.stdout) == (0, True)


def test_settings_that_are_missing_are_named_and_the_rest_is_listed(feedline: Feedline) -> None:
    done = feedline("settings")

    assert done.returncode == 2
    assert "FEEDLINE_LOG_LEVEL" in done.stdout
    assert "FEEDLINE_DATABASE_URL is missing" in done.stderr


def test_a_new_key_is_32_bytes_and_each_time_another(feedline: Feedline) -> None:
    keys = {feedline("settings", "--new-key").stdout.strip() for _ in range(2)}

    assert len(keys) == 2
    assert all(len(base64.urlsafe_b64decode(key)) == 32 for key in keys)
