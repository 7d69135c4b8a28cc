"""Rules: each condition, what it makes of what it cannot be asked of, and patterns that cannot run away."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from worker.core.mapping import reader
from worker.core.rules import BUILT_IN_RULES, Condition, Rule, holds

CASES: tuple[tuple[dict[str, object], tuple[object, ...], tuple[object, ...]], ...] = (
    ({"is": "empty"}, (None, "", "  ", [], {}), ("x", 0, False, ["a"])),
    ({"is": "not_empty"}, ("x", 0, False), (None, "", " ")),
    ({"equals": "Used"}, ("Used",), ("used", " Used", None, 5)),
    ({"equals": 5}, (5, Decimal("5.0"), "5"), ("5.0", 6, None, True)),
    ({"equals": Decimal("19.90")}, (Decimal("19.9"), "19.90"), ("19.9", 19)),
    ({"equals": True}, (True, "true"), (1, "True", None)),
    ({"not_equals": "Used"}, ("used", None, 5), ("Used",)),
    ({"in": ["A", 5]}, ("A", 5, "5"), ("a", 6, None)),
    ({"starts_with": "AMZ-"}, ("AMZ-1", "AMZ-"), ("amz-1", "X", None, ["AMZ-"])),
    ({"matches": "^[0-9]{12}$"}, ("123456789012", 123456789012), ("12345678901", "x123456789012", None, {})),
    ({"matches": "b"}, ("abc",), ("xyz",)),
    ({"greater_than": 5}, (6, Decimal("5.0000001"), "5.1"), (5, "5", "six", None, True, "1e9", " 6")),
    (
        {"less_than": Decimal("0.3")},
        (Decimal("0.29999999999999999"), 0, "-1"),
        (Decimal("0.3"), Decimal("0.1") + Decimal("0.2"), "NaN", None),
    ),
    ({"length": 12}, ("123456789012", 123456789012), ("1234567890123", None, [1] * 12)),
    ({"starts_with": "A", "length": 2}, ("AB",), ("A", "BA", "ABC")),
)


@pytest.mark.requirement("R46")
@pytest.mark.parametrize(("tests", "passing", "failing"), CASES)
def test_a_condition_holds_of_these_values_and_not_of_those(
    tests: dict[str, object], passing: tuple[object, ...], failing: tuple[object, ...]
) -> None:
    check = holds((Condition.model_validate({"field": "f", **tests}),), reader)

    assert [value for value in passing if not check({"f": value})] == []
    assert [value for value in failing if check({"f": value})] == []


def test_every_condition_has_a_case() -> None:
    known = {field.alias or name for name, field in Condition.model_fields.items()} - {"field"}

    assert known == {test for tests, *_ in CASES for test in tests}


@pytest.mark.requirement("R46")
def test_all_conditions_of_a_rule_must_hold() -> None:
    conditions = tuple(Condition.model_validate(each) for each in ({"field": "a", "equals": 1}, {"field": "b", "is": "empty"}))
    check = holds(conditions, reader)

    assert [check(data) for data in ({"a": 1}, {"a": 1, "b": "x"}, {"a": 2})] == [True, False, False]


@pytest.mark.parametrize("pattern", ["(?=x)", "(?<!x)y", r"(a)\1", "a(", "a{2,1}", "x" * 501])
def test_a_pattern_that_could_run_away_or_is_broken_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate({"field": "f", "matches": pattern})


def test_a_malicious_text_takes_no_longer_than_it_is_long() -> None:
    check = holds((Condition.model_validate({"field": "f", "matches": "^(a+)+$"}),), reader)

    assert not check({"f": "a" * 100_000 + "b"})


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"field": "f"},
        {"field": "f", "equals": None},
        {"field": "f", "is": "blank"},
        {"field": "f", "greater_than": "5"},
        {"is": "empty"},
    ],
)
def test_a_condition_that_tests_nothing_or_is_misspelt_is_refused(condition: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate(condition)


@pytest.mark.requirement("R45", "R46")
def test_the_built_in_rule_has_one_condition_and_one_action() -> None:
    rule = BUILT_IN_RULES["If no ASIN use UPC"]

    assert (rule.type, len(rule.when), len(rule.then), rule.description) == ("conditional", 1, 1, "Uses UPC if ASIN is missing.")
    assert rule.example


@pytest.mark.parametrize(
    "part",
    [{"when": []}, {"then": []}, {"type": "always"}, {"then": [{"set": "t"}]}, {"then": [{"set": "t", "value": 1, "rules": ["R"]}]}],
)
def test_a_rule_without_logic_is_refused(part: dict[str, object]) -> None:
    whole = {"name": "R", "when": [{"field": "f", "is": "empty"}], "then": [{"set": "t", "value": 1}]}

    assert Rule.model_validate(whole)
    with pytest.raises(ValidationError):
        Rule.model_validate({**whole, **part})
