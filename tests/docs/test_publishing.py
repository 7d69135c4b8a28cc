"""The guide on publishing says what the tables say, and its example is a valid section."""

import re
from pathlib import Path

import pytest

from worker.connection_file import parse
from worker.core.targets import ANY_OTHER, TARGETS, Target, TemplateKind, Way

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "guide" / "publishing.md").read_text()


@pytest.mark.requirement("R40", "R41", "R42", "R43", "R44")
@pytest.mark.parametrize("target", TARGETS[TemplateKind.PUBLISH], ids=lambda target: target.names[0])
def test_the_guide_lists_what_every_target_allows(target: Target) -> None:
    (name,) = target.names
    (row,) = re.findall(rf"^\| `{name}` \| ([^|]+) \|", GUIDE, re.MULTILINE)

    assert set(re.findall(r"`(\w+)`", row)) == {str(way) for way in target.ways}


def test_any_other_target_allows_everything_but_an_option() -> None:
    assert ANY_OTHER.ways == set(Way) - {Way.OPTION}


def test_the_guides_example_is_valid() -> None:
    (example,) = re.findall(r"^```yaml\n(.+?)^```", GUIDE, re.MULTILINE | re.DOTALL)

    file = f"""
version: 1
connections:
  - name: US shop
    marketplace_id: ATVPDKIKX0DER
    selling_partner_id: A1EXAMPLESELLER
    refresh_token: Atzr|example
{example}"""
    parse(file, environment={}, folder=Path())
