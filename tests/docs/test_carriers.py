"""The guide on carriers says what the tables say, and names commands that there are."""

import re
import shlex
from pathlib import Path

from ops.cli import COMMANDS
from worker.core.carrier_rules import RULES, CarrierRule, shape
from worker.core.tracking_patterns import TRACKING_PATTERNS

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "guide" / "carriers.md").read_text()


def test_the_guide_lists_the_rules_of_the_default_profile_in_their_order() -> None:
    listed = re.findall(r"^\| `\w+` \|.*$", GUIDE, flags=re.MULTILINE)

    assert listed == [f"| `{rule.code}` | {shape(rule)} | {rule.carrier} | {_method(rule)} |" for rule in RULES]


def test_the_guide_lists_every_number_that_the_other_profile_knows() -> None:
    rows: dict[str, list[str]] = {}
    for row in TRACKING_PATTERNS:
        rows.setdefault(row.carrier, []).append(row.name)

    for carrier, names in rows.items():
        assert f"| {carrier} | {', '.join(names)} |" in GUIDE


def test_every_command_of_the_guide_exists() -> None:
    lines = re.findall(r"^feedline .*$", GUIDE, flags=re.MULTILINE)

    assert {shlex.split(line)[1] for line in lines} <= {entry.name for entry in COMMANDS}


def _method(rule: CarrierRule) -> str:
    method = rule.method or "none"
    return f"{method}; a mapped {rule.carrier} keeps its own" if rule.preserves_method else method
