"""The simulator as a process, and what it must not depend on."""

import ast
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ops.simulator.control import Simulator, SimulatorError
from tests.simulator.client import US, Client

FOLDER = Path(__file__).parents[2] / "ops" / "simulator"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    ready_file = tmp_path / "ready"
    simulator = Simulator.start(speed=60, options=["--ready-file", str(ready_file)])
    assert simulator.process is not None

    assert simulator.call("GET", "/health")["status"] == "ok"
    assert ready_file.read_text(encoding="utf-8") == f"{simulator.url}\n"
    simulator.process.send_signal(number)

    assert simulator.process.wait(10) == 0
    simulator.stop()


def test_the_line_names_the_address_and_the_speed() -> None:
    command = [sys.executable, "-m", "ops.simulator", "--port", "0", "--speed", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()

    assert line.startswith("feedline simulator listening on http://127.0.0.1:")
    assert line.endswith(" (clock x60)\n")


def test_a_taken_port_is_one_sentence_and_exit_code_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "ops.simulator", "--port", str(taken.getsockname()[1])]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert ended.stderr.startswith("feedline simulator: ")
    assert ended.stderr.count("\n") == 1


def test_a_scenario_sets_the_stage(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(
        f"""
sellers:
  - {{seller_id: A1EXAMPLESELLER, client_id: c, client_secret: s, refresh_token: Atzr|1, marketplace_ids: [{US}]}}
catalogue:
  - seller_id: A1EXAMPLESELLER
    marketplace_id: {US}
    items: [{{sku: A, price: "19.99", quantity: 3}}]
    generate: {{prefix: SKU-, count: 3, digits: 3, price: "5.00"}}
faults:
  - {{kind: throttle, operation: getFeed}}
limits: {{processing_base_seconds: 5}}
""",
        encoding="utf-8",
    )

    with Simulator.start(scenario=scenario) as simulator:
        catalogue = simulator.catalogue("A1EXAMPLESELLER", US)
        limits = simulator.call("GET", "/limits")
        faults = simulator.call("GET", "/faults")

    assert list(catalogue) == ["A", "SKU-001", "SKU-002", "SKU-003"]
    assert catalogue["A"]["price"] == "19.99"
    assert limits["processing_base_seconds"] == 5
    assert faults[0]["kind"] == "throttle"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("field.json", '{"sellers": [{"seller_id": "A"}]}'),
        ("syntax.json", "{"),
        ("syntax.yaml", "sellers: ["),
        ("control.yaml", "sellers: \x01"),
        ("tag.yaml", "sellers: !!python/none"),
        ("list.yaml", "- sellers"),
    ],
)
def test_a_faulty_scenario_is_refused(tmp_path: Path, name: str, text: str) -> None:
    scenario = tmp_path / name
    scenario.write_text(text, encoding="utf-8")

    with pytest.raises(SimulatorError, match="exit code 2"):
        Simulator.start(scenario=scenario)


def test_a_large_catalogue_is_put_as_ndjson_and_read_back(client: Client) -> None:
    lines = b"".join(json.dumps({"sku": f"S{number}", "price": "1.10"}).encode() + b"\n" for number in range(5000))
    url = f"{client.simulator.url}/_simulator/catalogue/{client.seller_id}/{US}"

    put = client.http.request("PUT", f"{url}?clear=1", body=lines, headers={"Content-Type": "application/x-ndjson"})
    read = client.http.request("GET", f"{url}?format=ndjson")

    assert put.json() == {"put": 5000}
    assert read.data.count(b"\n") == 5000
    assert json.loads(read.data.splitlines()[4999])["price"] == "1.10"


def test_no_line_is_shared_with_the_worker() -> None:
    allowed = ("ops.simulator", "ops.cli.simulator")
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [one.name for one in node.names]
                if isinstance(node, ast.Import)
                else []
            )
            own = [name for name in names if name.split(".")[0] in {"worker", "actors", "schema", "ops"}]
            assert all(name.startswith(allowed) for name in own), f"{path.name} imports {own}"
