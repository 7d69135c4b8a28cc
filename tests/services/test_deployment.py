"""The image and the compose file, checked as far as that goes without a Docker engine."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from worker.settings import Settings

_CHECKOUT = Path(__file__).resolve().parents[2]
_DOCKERFILE = (_CHECKOUT / "ops/deploy/Dockerfile").read_text()
_KNOWN = {f"FEEDLINE_{name.upper()}": field for name, field in Settings.model_fields.items()}
_OURS = {"migrate", "simulator", "worker"}


def _yaml(path: str) -> Any:
    return YAML(typ="safe", pure=True).load(_CHECKOUT / path)


@pytest.fixture(scope="module")
def services() -> Mapping[str, Any]:
    found: Mapping[str, Any] = _yaml("docker-compose.yml")["services"]
    return found


def _instructions(word: str) -> list[str]:
    return re.findall(rf"^{word} (.*)$", _DOCKERFILE, flags=re.MULTILINE)


@pytest.mark.requirement("R113")
def test_the_compose_file_has_all_parts(services: Mapping[str, Any]) -> None:
    assert set(services) == {"rabbitmq", "postgres", "prometheus", *_OURS}
    assert services["worker"]["command"] == ["worker"]


def test_workers_start_when_what_they_need_is_there(services: Mapping[str, Any]) -> None:
    waits = {name: {on: how["condition"] for on, how in service.get("depends_on", {}).items()} for name, service in services.items()}

    assert waits["migrate"] == {"postgres": "service_healthy"}
    assert waits["worker"] == {"migrate": "service_completed_successfully", "rabbitmq": "service_healthy", "simulator": "service_healthy"}
    assert all("healthcheck" in services[on] for name in waits for on, how in waits[name].items() if how == "service_healthy")


def test_workers_can_be_scaled(services: Mapping[str, Any]) -> None:
    assert not {"container_name", "hostname", "ports"} & services["worker"].keys()


def test_a_stopping_worker_is_given_longer_than_it_takes(services: Mapping[str, Any]) -> None:
    assert int(services["worker"]["stop_grace_period"].removesuffix("s")) > Settings.model_fields["drain_seconds"].default


@pytest.mark.parametrize("name", sorted(_OURS))
def test_only_known_settings_are_given_and_every_required_one(services: Mapping[str, Any], name: str) -> None:
    given = services[name]["environment"].keys()

    assert given <= _KNOWN.keys()
    assert {setting for setting, field in _KNOWN.items() if field.is_required()} <= given


def test_every_port_is_open_to_this_machine_only(services: Mapping[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]

    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_prometheus_scrapes_every_worker_at_its_port(services: Mapping[str, Any]) -> None:
    (job,) = _yaml("ops/deploy/prometheus.yml")["scrape_configs"]
    (lookup,) = job["dns_sd_configs"]

    assert lookup["names"] == ["worker"]
    assert str(lookup["port"]) == services["worker"]["environment"]["FEEDLINE_HTTP_PORT"] == _instructions("EXPOSE")[-1]
    assert services["worker"]["environment"]["FEEDLINE_HTTP_HOST"] == "0.0.0.0"


def test_the_image_runs_as_an_ordinary_user() -> None:
    final = _DOCKERFILE[_DOCKERFILE.rindex("\nFROM ") :]

    assert re.findall(r"^USER (\d+):(\d+)$", final, flags=re.MULTILINE) == [("10001", "10001")]


def test_the_image_installs_nothing_unchecked() -> None:
    installs = re.findall(r"pip[^&\n]* install ([^&\n]*)", _DOCKERFILE)

    assert installs
    assert [line for line in installs if "--require-hashes" not in line and "--no-deps" not in line] == []


def test_the_image_asks_whether_its_worker_is_alive() -> None:
    assert "/healthz" in _DOCKERFILE[_DOCKERFILE.index("HEALTHCHECK") :]


def test_everything_that_the_image_copies_is_there() -> None:
    copied = [name for line in _instructions("COPY") if "--from" not in line for name in line.split()[:-1]]

    assert [name for name in copied if not (_CHECKOUT / name).exists()] == []
    ignored = (_CHECKOUT / ".dockerignore").read_text().splitlines()
    assert [name for name in copied if f"!{name}" not in ignored] == []


def test_the_example_settings_are_the_settings() -> None:
    listed = re.findall(r"^(# )?(FEEDLINE_\w+)=(.*)$", (_CHECKOUT / ".env.example").read_text(), flags=re.MULTILINE)

    assert [name for _, name, _ in listed] == list(_KNOWN)
    assert {name for hidden, name, _ in listed if not hidden} == {name for name, field in _KNOWN.items() if field.is_required()}
    defaults = {name: "" if field.default is None else str(field.default) for name, field in _KNOWN.items() if not field.is_required()}
    assert {name: value for hidden, name, value in listed if hidden} == defaults
