"""Rules: conditions on a message's fields; when all of them hold, an action takes the place of a target's mapping.

Requirement rows R39, R45, R46. Numbers are compared as decimals, texts exactly: case and spacing count.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

import re2
from pydantic import ConfigDict, Field, field_validator, model_validator

from worker.core.json import JsonObject, JsonValue
from worker.core.targets import Frozen, Many, Name, Number, Scalar, Some, Spec, refusal

Test = Callable[[JsonValue], bool]

LONGEST_PATTERN: Final = 500
_PATTERN_MEMORY_BYTES: Final = 1 << 20
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?\Z", re.ASCII)


class Condition(Frozen):
    """What must hold of one field. Of several tests in one condition all must hold."""

    model_config = ConfigDict(validate_by_name=True)

    field: Name
    is_: Literal["empty", "not_empty"] | None = Field(None, alias="is")
    equals: Scalar | None = None
    not_equals: Scalar | None = None
    in_: Many[Scalar] | None = Field(None, alias="in")
    starts_with: Name | None = None
    matches: str | None = Field(None, max_length=LONGEST_PATTERN, description="RE2: found anywhere, unless it is anchored by ^ and $")
    greater_than: Number | None = None
    less_than: Number | None = None
    length: int | None = Field(None, ge=0, description="characters")

    @field_validator("matches", mode="after")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            compiled(pattern)
        return pattern

    @model_validator(mode="after")
    def _tests_something(self) -> Self:
        if not self.tests():
            raise refusal("CONDITION_EMPTY")
        return self

    def tests(self) -> tuple[Test, ...]:
        """Return the tests that a value of the field must pass. A test that is null counts as not given."""
        given = ((made_by, getattr(self, name)) for name, made_by in _TESTS.items())
        return tuple(made_by(expected) for made_by, expected in given if expected is not None)


class Action(Spec):
    """What the target `set` gets when the rule's conditions hold."""

    set: Name

    @field_validator("rules", mode="after")
    @classmethod
    def _not_nested(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        if rules:
            raise refusal("SPEC_INVALID", reason="an action takes no further rules")
        return rules


class Rule(Frozen):
    name: Name
    type: Literal["conditional"] = "conditional"
    description: str = ""
    example: str = ""
    when: Annotated[Some[Condition], Field(description="all must hold")]
    then: Some[Action]

    @field_validator("then", mode="after")
    @classmethod
    def _each_once(cls, then: tuple[Action, ...]) -> tuple[Action, ...]:
        targets = [action.set for action in then]
        twice = next((target for target in targets if targets.count(target) > 1), None)
        if twice is not None:
            raise refusal("SETTING_INVALID", reason=f"two actions set {twice}.")
        return then

    def action(self, target: str) -> Action | None:
        """Return what this rule gives to *target*, if anything."""
        return next((action for action in self.then if action.set == target), None)


def compiled(pattern: str) -> re2._Regexp:
    """Return *pattern* compiled by RE2, whose time is linear in the text: it cannot run away.

    Raises: PydanticCustomError, PATTERN_INVALID: also for look-around and back references, which RE2 does not have.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_MEMORY_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0]
        raise refusal("PATTERN_INVALID", reason=reason.decode(errors="replace") if isinstance(reason, bytes) else reason) from None


def holds(conditions: tuple[Condition, ...], reader: Callable[[str], Callable[[JsonObject], JsonValue]]) -> Callable[[JsonObject], bool]:
    """Return a function that says of a message's data whether all *conditions* hold. *reader* makes a field's reader."""
    checks = tuple((reader(condition.field), test) for condition in conditions for test in condition.tests())
    (first_read, first_test), others = checks[0], checks[1:]

    # A loop, and the first check before it: most rules do not hold, and all() over a generator took three times as long.
    def all_hold(data: JsonObject) -> bool:
        if not first_test(first_read(data)):
            return False
        for read, test in others:  # noqa: SIM110
            if not test(read(data)):
                return False
        return True

    return all_hold


def is_blank(value: JsonValue) -> bool:
    """Whether a field is missing, null, a text of nothing but spaces, or a list or object without entries."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value in ([], {})


def number(value: JsonValue) -> Decimal | None:
    """Return the number that *value* is, or that a text spells with plain digits; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        return Decimal(value)
    return Decimal(value) if isinstance(value, str) and _NUMBER.match(value) else None


def text(value: JsonValue) -> str:
    """Return a scalar as its JSON spells it, a text without its quotes."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    # A number beyond all sense (1E+999999) stays as short as it came.
    return format(value, "f") if isinstance(value, Decimal) and -60 < value.adjusted() < 60 else str(value)


def _is_scalar(value: JsonValue) -> bool:
    return isinstance(value, str | int | Decimal)


def _same(value: JsonValue, other: JsonValue) -> bool:
    """Numbers are the same by value (5 and 5.0), a number and a text by spelling (5 and "5"), all else exactly."""
    if _is_scalar(value) and _is_scalar(other):
        numbers = not isinstance(value, str | bool) and not isinstance(other, str | bool)
        return bool(value == other) if numbers else text(value) == text(other)
    return bool(value == other)


def _equals(other: Any) -> Test:  # noqa: ANN401  # a scalar of the connection file
    if not isinstance(other, str):
        return lambda value: _same(value, other)
    return lambda value: value == other if type(value) is str else _same(value, other)


def _spelling(passes: Callable[[str], bool]) -> Test:
    return lambda value: _is_scalar(value) and passes(text(value))


def _size(passes: Callable[[Decimal], bool]) -> Test:
    return lambda value: (found := number(value)) is not None and passes(found)


def _matches(pattern: str) -> Test:
    search = compiled(pattern).search
    return _spelling(lambda spelt: search(spelt) is not None)


# A test says False of what it cannot be asked of: a text is not greater than 5, a list has no prefix.
_TESTS: Final[Mapping[str, Callable[[Any], Test]]] = {
    "is_": lambda word: is_blank if word == "empty" else lambda value: not is_blank(value),
    "equals": _equals,
    "not_equals": lambda other: lambda value: not _same(value, other),
    "in_": lambda others: lambda value: any(_same(value, other) for other in others),
    "starts_with": lambda prefix: _spelling(lambda spelt: spelt.startswith(prefix)),
    "matches": _matches,
    "greater_than": lambda limit: _size(lambda found: found > limit),
    "less_than": lambda limit: _size(lambda found: found < limit),
    "length": lambda length: _spelling(lambda spelt: len(spelt) == length),
}

BUILT_IN_RULES: Final[Mapping[str, Rule]] = {
    "If no ASIN use UPC": Rule.model_validate(
        {
            "name": "If no ASIN use UPC",
            "description": "Uses UPC if ASIN is missing.",
            "example": "An empty asin and the upc 123456789012 give a product ID of type UPC.",
            "when": [{"field": "asin", "is": "empty"}],
            "then": [{"set": "product_id", "option": "UPC", "field": "upc"}],
        }
    )
}
