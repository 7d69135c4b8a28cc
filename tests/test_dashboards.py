"""The dashboard and the alert rules ask for metrics that there are, by labels that these have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from worker.metrics import CATALOGUE

DEPLOY = Path(__file__).parents[1] / "ops" / "deploy"
NAME = re.compile(r"feedline_[a-z_]+")
SELECTED = re.compile(r"(feedline_[a-z_]+)\{([^}]*)\}")


def expressions() -> Iterator[tuple[str, str]]:
    for panel in json.loads((DEPLOY / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target["expr"]
    for group in YAML(typ="safe").load((DEPLOY / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield f"alert {rule['alert']}", rule["expr"]


def metric(name: str) -> str:
    return name.removesuffix("_bucket") if name.endswith("_bucket") else name


@pytest.mark.requirement("R119")
@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_expression_names_metrics_that_exist(where: str, expression: str) -> None:
    unknown = {name for name in NAME.findall(expression) if metric(name) not in CATALOGUE}

    assert not unknown, f"{where} asks for {unknown}, which worker/metrics.py does not declare."


@pytest.mark.requirement("R119")
@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_expression_selects_by_labels_that_its_metric_has(where: str, expression: str) -> None:
    for name, selector in SELECTED.findall(expression):
        asked = set(re.findall(r"([a-z_]+)\s*[=!]~?", selector))
        assert asked <= set(CATALOGUE[metric(name)].labels), where


def test_every_alert_says_what_to_do() -> None:
    for group in YAML(typ="safe").load((DEPLOY / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"], rule["alert"]
            assert rule["annotations"]["action"], rule["alert"]
