"""The mapping engine: what a template's target gets from a message's data.

A spec is compiled once for a connection's revision and then applied to every message, as pure functions of the data.
Requirement rows R32-R39, R45-R47, R112.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, TypeAlias

import msgspec

from worker.core.issues import Issue, issue
from worker.core.json import JsonObject, JsonValue
from worker.core.rules import Rule, holds, text
from worker.core.targets import Spec, TemplateKind, Way, target
from worker.core.texts import folded

MappingSet = Mapping[str, JsonValue]
"""An exact look-up table: case and spacing of a key count. Numbers and booleans are looked up as JSON spells them."""


class Absent(Enum):
    """Why a target gets no value. The three differ: see each one's use."""

    NOT_MAPPED = "the template leaves the target out: the attribute is absent"
    EMPTIED = "the template sets the target to empty: sent empty, or cleared"
    NOT_SAID = "the source field is missing or null: the message does not speak of it"


class Found(msgspec.Struct, frozen=True, gc=False):
    """A value, as the message or the template has it. `field` is where it comes from, the target for a constant.

    `option` is the entry of the target's fixed list that the value belongs to: it tells a UPC from an EAN.
    """

    value: JsonValue
    field: str
    option: str | None = None


Result: TypeAlias = Absent | Found | Issue
"""What one target gets from one message. An Issue is a fault of the message: a key that its mapping set does not have."""

Resolver: TypeAlias = Callable[[JsonObject], Result]

CONDITIONS: Final[MappingSet] = {
    "New": "new_new",
    "New - Open Box": "new_open_box",
    "New - OEM": "new_oem",
    "Refurbished": "refurbished_refurbished",
    "Used - Like New": "used_like_new",
    "Used - Very Good": "used_very_good",
    "Used - Good": "used_good",
    "Used - Acceptable": "used_acceptable",
    "Collectible - Like New": "collectible_like_new",
    "Collectible - Very Good": "collectible_very_good",
    "Collectible - Good": "collectible_good",
    "Collectible - Acceptable": "collectible_acceptable",
    "Club": "club_club",
}
"""The names that Seller Central shows for Amazon's condition_type values."""

BUILT_IN_MAPPING_SETS: Final[Mapping[str, MappingSet]] = {
    # Amazon's own words stand for themselves, so that an upstream that already speaks them needs no set.
    "conditions": {**CONDITIONS, **{word: word for word in CONDITIONS.values()}}
}


def resolve(
    kind: TemplateKind, name: str, spec: Spec, data: JsonObject, *, rules: Mapping[str, Rule], mapping_sets: Mapping[str, MappingSet]
) -> Result:
    """Return what the target *name* gets from *data*. To map many messages, keep the `resolver`."""
    return resolver(kind, name, spec, rules=rules, mapping_sets=mapping_sets)(data)


def not_said(_field: str) -> Result:
    """What a source field that is missing or null means, unless a template says otherwise: the message does not speak of it."""
    return Absent.NOT_SAID


def resolver(
    kind: TemplateKind,
    name: str,
    spec: Spec,
    *,
    rules: Mapping[str, Rule],
    mapping_sets: Mapping[str, MappingSet],
    missing: Callable[[str], Result] = not_said,
) -> Resolver:
    """Return the function from a message's data to what the target *name* gets.

    *missing* gives the result where the source field that it is given is missing or null. The first rule of *spec* whose
    conditions hold replaces the result; a rule says nothing of targets that do not list it.
    Raises: KeyError for a rule or mapping set that is not given; the connection file's validation lets none through.
    """
    plain = _resolver(kind, name, spec, mapping_sets, missing)
    if not spec.rules:
        return plain
    replacements = []
    for rule in (rules[rule_name] for rule_name in spec.rules):
        action = rule.action(name)
        if action is not None:
            replacements.append((holds(rule.when, reader), _resolver(kind, name, action, mapping_sets, missing)))

    def ruled(data: JsonObject) -> Result:
        for applies, replaced in replacements:
            if applies(data):
                return replaced(data)
        return plain(data)

    return ruled


def reader(name: str) -> Callable[[JsonObject], JsonValue]:
    """Return the function that reads the field *name*, None where it is missing.

    A dotted name goes into nested objects, unless the data has a field of exactly that name.
    """
    if "." not in name:
        return lambda data: data.get(name)
    first, *rest = name.split(".")

    def nested(data: JsonObject) -> JsonValue:
        if name in data:
            return data[name]
        value = data.get(first)
        for part in rest:
            if not isinstance(value, Mapping):
                return None
            value = value.get(part)
        return value

    return nested


def _resolver(
    kind: TemplateKind, name: str, spec: Spec, mapping_sets: Mapping[str, MappingSet], missing: Callable[[str], Result]
) -> Resolver:
    match spec.way:
        case Way.DONT_MAP:
            return lambda _: Absent.NOT_MAPPED
        case Way.SET_TO_EMPTY:
            return lambda _: Absent.EMPTIED
        case Way.VALUE:
            constant = Found(spec.value, name)
            return lambda _: constant
        case Way.FIELD:
            return _field(spec.field or "", missing)
        case Way.MAPPING_SET:
            return _looked_up(spec.field or "", spec.mapping_set or "", mapping_sets[spec.mapping_set or ""], missing)
        case Way.OPTION:
            return _option(kind, name, spec, missing)


def _field(name: str, missing: Callable[[str], Result], option: str | None = None) -> Resolver:
    absent = missing(name)
    if "." not in name:

        def flat(data: JsonObject) -> Result:  # Written out: nearly every mapping is this one, and a call costs as much as the rest.
            value = data.get(name)
            return absent if value is None else Found(value, name, option)

        return flat
    read = reader(name)

    def nested(data: JsonObject) -> Result:
        value = read(data)
        return absent if value is None else Found(value, name, option)

    return nested


def _looked_up(field: str, set_name: str, entries: MappingSet, missing: Callable[[str], Result]) -> Resolver:
    read = reader(field)
    absent = missing(field)
    near = {folded(key): key for key in entries}

    def look_up(data: JsonObject) -> Result:
        key = read(data)
        if key is None:
            return absent
        spelt = text(key)
        if spelt in entries:
            return Found(entries[spelt], field)
        close = near.get(folded(spelt))
        hint = f": its key {close!r} differs only by case or spacing" if close is not None else ""
        return issue("MAPPING_KEY_UNKNOWN", field=field, value=spelt, limit=set_name, reason=hint)

    return look_up


def _option(kind: TemplateKind, name: str, spec: Spec, missing: Callable[[str], Result]) -> Resolver:
    option = next(option for option in target(kind, name).options if option.name == spec.option)
    if spec.field is None and (spec.value is not None or option.value is not None):
        constant = Found(option.value if spec.value is None else spec.value, name, option.name)
        return lambda _: constant
    return _field(spec.field or option.field or name, missing, option.name)
