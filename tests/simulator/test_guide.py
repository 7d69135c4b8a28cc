"""The guide to the simulator, held against the simulator."""

import re
from pathlib import Path

import msgspec
import pytest

from ops.simulator import admin
from ops.simulator.clock import Clock
from ops.simulator.control import Simulator
from ops.simulator.faults import KINDS
from ops.simulator.given_orders import OrderChange, OrderGiven
from ops.simulator.limits import Limits
from ops.simulator.listings_report import MoreListings
from ops.simulator.products import Product
from ops.simulator.scenario import play, read_scenario
from ops.simulator.world import World

GUIDE = (Path(__file__).parents[2] / "docs" / "guide" / "simulator.md").read_text(encoding="utf-8")


def test_every_call_that_the_guide_names_is_a_route() -> None:
    routes = {(method, route.path) for route in admin.routes(World(Clock())) for method in route.methods or ()}
    named = set(re.findall(r"(GET|PUT|POST|DELETE) (/_simulator/[\w/{}-]+)", GUIDE))

    assert len(named) > 10
    assert named - routes == set()


def test_every_method_that_the_guide_names_is_there() -> None:
    rows = re.findall(r"^\| `\w+ /_simulator[^|]+\| `(\w+)` \|", GUIDE, re.MULTILINE)
    beside = re.findall(r"/_simulator/[^`]+` ?\s?\(`(\w+)`", GUIDE)

    assert len(rows) > 8
    assert [name for name in (*rows, *beside) if not hasattr(Simulator, name)] == []


def test_every_limit_and_fault_that_the_guide_names_is_there() -> None:
    tables = GUIDE.split("| limit | default | meaning |")[1:]
    limits = {name for table in tables for row in table.strip().split("\n\n")[0].splitlines() for name in _names(row.split("|")[1])}
    faults = {name for words in re.findall(r"[Ff]aults: ([^.]+\.)", GUIDE) for name in re.findall(r"`([a-z]+_\w+)`", words)}

    assert len(limits) > 8
    assert limits - set(Limits.__struct_fields__) == set()
    assert len(faults) > 8
    assert faults - set(KINDS) == set()


def test_the_scenario_of_the_guide_sets_the_stage(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "stage.yaml").write_text(text, encoding="utf-8")
    world = World(Clock())

    scenario = read_scenario(tmp_path / "stage.yaml")
    play(world, scenario)

    assert all(getattr(scenario, field) for field in scenario.__struct_fields__)


def _names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(0, list[Product]), (1, list[OrderGiven]), (3, OrderChange), (4, MoreListings)],
    ids=["products", "orders", "a change of an order", "more listings"],
)
def test_every_example_of_the_guide_is_taken(number: int, kind: type) -> None:
    examples = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)

    assert msgspec.json.decode(examples[number], type=kind)


def test_the_example_of_an_order_that_comes_back_has_the_fields_of_one(simulator: Simulator) -> None:
    given, shown = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)[1:3]
    simulator.put_orders("A1", msgspec.json.decode(given))
    example = msgspec.json.decode(shown)

    found = simulator.order("A1", example["order_id"])

    assert example.keys() <= found.keys()
    assert example["items"][0].keys() == found["items"][0].keys()
