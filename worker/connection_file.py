"""The connection file: YAML or JSON text becomes validated connections, or every fault of it with its line.

Faults never repeat a secret: neither a secret setting's value, nor one that came from the environment or from a file.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

import msgspec
from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from worker.core.connections import (
    DEFAULT_ORDERS_TEMPLATE,
    DEFAULT_PUBLISH_TEMPLATE,
    DEFAULT_SHIPMENTS_TEMPLATE,
    DEFAULT_SYNC_TEMPLATE,
    ConnectionEntry,
    ConnectionSettings,
    GetOrders,
    ImportListings,
    PublishListings,
    SyncListings,
    SyncOrders,
)
from worker.core.issues import FAULTS, Issue, issue, shown
from worker.core.mapping import BUILT_IN_MAPPING_SETS, MappingSet
from worker.core.marketplaces import MARKETPLACES
from worker.core.quota import METERED
from worker.core.rules import BUILT_IN_RULES, Condition, Rule
from worker.core.rules import text as spelt
from worker.core.targets import Frozen, Many, Name, Number, Scalar, Some, Spec, TemplateKind, check, names, refusal
from worker.errors import FeedlineError
from worker.located import Located, Place, SecretFile, path, read
from worker.logs import redacted
from worker.secrets import Secret

TEMPLATES: Final[Mapping[str, tuple[TemplateKind, Mapping[str, Spec]]]] = {
    "publish_listings": (TemplateKind.PUBLISH, DEFAULT_PUBLISH_TEMPLATE),
    "sync_listings": (TemplateKind.SYNC, DEFAULT_SYNC_TEMPLATE),
    "get_orders": (TemplateKind.ORDERS, DEFAULT_ORDERS_TEMPLATE),
    "sync_orders": (TemplateKind.SHIPMENTS, DEFAULT_SHIPMENTS_TEMPLATE),
}
"""The sections that have a template, and the template that stands where a file gives none."""

LARGEST_SECRET_BYTES: Final = 16 * 1024
_SECRETS: Final = frozenset({"refresh_token", "client_secret"})


class FileFault(NamedTuple):
    """A fault and its line, the first being 1. Prints as `LINE: FIELD: what is wrong. What to do. [CODE]`"""

    line: int
    issue: Issue

    def __str__(self) -> str:
        where = f"{self.line}: {self.issue.field}: " if self.issue.field else f"{self.line}: "
        return f"{where}{self.issue.message} {self.issue.remedy} [{self.issue.code}]"


class FileRefused(FeedlineError):
    """The connection file has faults; nothing of it was stored."""

    def __init__(self, faults: Sequence[FileFault]) -> None:
        self.faults = tuple(sorted(set(faults), key=lambda fault: (fault.line, fault.issue.field or "", fault.issue.message)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class ParsedConnection(NamedTuple):
    """One connection of a file. `client_id` None: the application of FEEDLINE_LWA_*. `paused` None: as it is."""

    line: int
    settings: ConnectionSettings
    refresh_token: Secret
    client_id: str | None
    client_secret: Secret | None
    usage_plans: Mapping[str, Mapping[str, Decimal | int]]
    paused: bool | None


SecretText = Annotated[SecretStr, Field(min_length=1)]


class UsagePlan(Frozen):
    """Amazon's rate and burst of one operation, where the application has other ones than Amazon publishes."""

    rate: Annotated[Number, Field(gt=0, description="calls a second")]
    burst: Annotated[int, Field(ge=1, description="calls at once")]


class Application(Frozen):
    """The SP-API application that acts for the seller. Default: FEEDLINE_LWA_CLIENT_ID and FEEDLINE_LWA_CLIENT_SECRET."""

    client_id: Name | None = None
    client_secret: SecretText | None = None
    usage_plans: Mapping[Name, UsagePlan] = Field(default_factory=dict, json_schema_extra={"propertyNames": {"enum": [*sorted(METERED)]}})

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.client_id is None) != (self.client_secret is None):
            raise refusal("SETTING_INVALID", reason="client_id and client_secret go together.")
        return self


class Entry(ConnectionEntry):
    """One connection: one seller account on one marketplace."""

    refresh_token: SecretText
    application: Application = Application()
    paused: Annotated[bool | None, Field(description="not given: a new connection runs, another one stays as it is")] = None


class ConnectionFile(Frozen):
    """The whole file."""

    version: Literal[1]
    connections: Some[Entry]
    mapping_sets: Mapping[Name, Mapping[str, Scalar]] = Field(default_factory=dict)
    rules: Many[Rule] = ()


def parse(text: str, *, environment: Mapping[str, str], folder: Path) -> tuple[ParsedConnection, ...]:
    """Return the connections of a file's *text*. *folder*: where the paths of `!file` begin.

    Raises: FileRefused with every fault. Only broken syntax hides what stands after it.
    """
    reading = _Reading(folder)
    tree = read(text, environment, reading.complain)
    if tree is None:
        raise FileRefused(reading.faults)
    file = reading.validated(tree)
    reading.cross_check(tree)
    if reading.faults or file is None:
        raise FileRefused(reading.faults)
    known_rules = {**BUILT_IN_RULES, **{rule.name: rule for rule in file.rules}}
    known_sets = {**BUILT_IN_MAPPING_SETS, **file.mapping_sets}
    lines = [entry.line for entry in tree.entries("connections")]
    return tuple(_parsed(line, entry, known_rules, known_sets) for line, entry in zip(lines, file.connections, strict=True))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors. What needs a look at several places only `parse` can tell."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ConnectionFile.model_json_schema(by_alias=True)}


def _parsed(line: int, entry: Entry, known_rules: Mapping[str, Rule], known_sets: Mapping[str, MappingSet]) -> ParsedConnection:
    sections = (entry.publish_listings, entry.sync_listings, entry.get_orders, entry.sync_orders)
    specs = [spec for section in sections for spec in section.template.values()]
    rules = {name: known_rules[name] for spec in specs for name in spec.rules}
    specs += [action for rule in rules.values() for action in rule.then]
    mapping_sets = {spec.mapping_set: known_sets[spec.mapping_set] for spec in specs if spec.mapping_set is not None}
    shared = {name: getattr(entry, name) for name in ConnectionEntry.model_fields}
    secret = entry.application.client_secret
    return ParsedConnection(
        line,
        ConnectionSettings(**shared, rules=rules, mapping_sets=mapping_sets),
        Secret(entry.refresh_token.get_secret_value()),
        entry.application.client_id,
        None if secret is None else Secret(secret.get_secret_value()),
        {name: plan.model_dump() for name, plan in entry.application.usage_plans.items()},
        entry.paused,
    )


class _Use(NamedTuple):
    """One target of one template: which rules and which mapping set it names, and where."""

    kind: TemplateKind
    target: str
    rules: Sequence[tuple[str, Place]]
    mapping_set: tuple[str, Place] | None


class _Reading:
    """Collects the faults of one file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.faults: list[FileFault] = []

    def complain(self, line: int, fault: Issue) -> None:
        """Note a fault. A token that stands where none belongs, or in the place of a key, is not repeated either."""
        told = {name: redacted(getattr(fault, name)) for name in ("field", "value", "message")}
        self.faults.append(FileFault(line, msgspec.structs.replace(fault, **told)))

    def validated(self, tree: Located) -> ConnectionFile | None:
        """Validate all that can be judged where it stands."""
        try:
            return ConnectionFile.model_validate(self._plain(tree, ()))
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                nearest = tree.nearest(fault["loc"])
                if not nearest.is_unreadable:
                    self.complain(tree.line_of(fault["loc"]), _explained(fault, nearest))
        return None

    def _plain(self, node: Located, place: Place) -> object:
        if isinstance(node.value, dict):
            return {key: self._plain(value, (*place, key)) for key, value in node.value.items()}
        if isinstance(node.value, list):
            return [self._plain(value, (*place, at)) for at, value in enumerate(node.value)]
        return self._secret(node, node.value, place) if isinstance(node.value, SecretFile) else node.value

    def _secret(self, node: Located, file: SecretFile, place: Place) -> str:
        """Return what *file* holds, without the line's end. What cannot be read is told, and counts as filled."""
        if not place or place[-1] not in _SECRETS:
            self.complain(node.line, issue("SECRET_MISPLACED", field=path(place)))
        elif not node.is_unreadable:
            try:
                with (self._folder / file.path).open("rb") as opened:
                    found = opened.read(LARGEST_SECRET_BYTES + 1)
                if not found.strip() or len(found) > LARGEST_SECRET_BYTES:
                    reason = "it is empty." if not found.strip() else "it is too large for a secret."
                else:
                    return found.decode().strip()
            except OSError as error:
                reason = f"{error.strerror}."
            except ValueError:
                reason = "it is not UTF-8."
            self.complain(node.line, issue("SECRET_UNREADABLE", field=path(place), value=file.path, reason=reason))
        return "(unreadable)"

    def cross_check(self, tree: Located) -> None:
        """Check what needs a look at several places: names, references, credentials. Works on what could be read."""
        self._names_are_unique(tree, "connections")
        self._names_are_unique(tree, "rules")
        rules = self._rules(tree)
        sets = BUILT_IN_MAPPING_SETS.keys() | {name for name, _ in tree.items("mapping_sets")}
        uses = [use for at, entry in enumerate(tree.entries("connections")) for use in _uses(entry, ("connections", at))]
        self._rules_know_their_targets(tree, uses, sets)
        for use in uses:
            if use.mapping_set is not None and use.mapping_set[0] not in sets:
                self._unknown(tree, "MAPPING_SET_UNKNOWN", *use.mapping_set, sets)
            for name, place in use.rules:
                if name not in rules:
                    self._unknown(tree, "RULE_UNKNOWN", name, place, rules)
                    continue
                rule = rules[name]
                if rule is not None and rule.action(use.target) is None:
                    self.complain(tree.line_of(place), issue("RULE_WITHOUT_EFFECT", field=path(place), value=name, target=use.target))
        self._actions_suit_their_targets(tree, uses, rules)
        self._timezones_exist(tree)
        self._operations_are_metered(tree)
        self._sellers_agree(tree)

    def _names_are_unique(self, tree: Located, section: str) -> None:
        seen: set[str] = set()
        for at, entry in enumerate(tree.entries(section)):
            name = entry.get("name")
            if name is not None and isinstance(name.value, str):
                if name.value in seen:
                    place = (section, at, "name")
                    self.complain(tree.line_of(place), issue("NAME_REPEATED", field=path(place), value=name.value))
                seen.add(name.value)

    @staticmethod
    def _rules(tree: Located) -> dict[str, Rule | None]:
        """Return the rules by name; None for one whose own faults have been told."""
        rules: dict[str, Rule | None] = dict(BUILT_IN_RULES)
        for entry in tree.entries("rules"):
            name = entry.get("name")
            if name is not None and isinstance(name.value, str):
                try:
                    rules[name.value] = Rule.model_validate(entry.plain())
                except ValidationError:
                    rules[name.value] = None
        return rules

    def _rules_know_their_targets(self, tree: Located, uses: Sequence[_Use], sets: set[str]) -> None:
        targets = {use.target for use in uses} | {name for kind in TemplateKind for name in names(kind)}
        for at, rule in enumerate(tree.entries("rules")):
            for step, action in enumerate(rule.entries("then")):
                place = ("rules", at, "then", step)
                target, mapping_set = action.get("set"), action.get("mapping_set")
                if target is not None and isinstance(target.value, str) and target.value not in targets:
                    self._unknown(tree, "TARGET_UNKNOWN", target.value, (*place, "set"), targets)
                if mapping_set is not None and isinstance(mapping_set.value, str) and mapping_set.value not in sets:
                    self._unknown(tree, "MAPPING_SET_UNKNOWN", mapping_set.value, (*place, "mapping_set"), sets)

    def _actions_suit_their_targets(self, tree: Located, uses: Sequence[_Use], rules: Mapping[str, Rule | None]) -> None:
        """Check what rules give to the targets that list them. A fault is told where the action stands, not where it is listed."""
        places: dict[tuple[str, str], Place] = {}
        for at, entry in enumerate(tree.entries("rules")):
            for step, node in enumerate(entry.entries("then")):
                places[_text_at(entry, "name"), _text_at(node, "set")] = ("rules", at, "then", step)
        listed = {(name, use.target, use.kind): place for use in uses for name, place in use.rules}
        for (name, target, kind), place in listed.items():
            rule = rules.get(name)
            action = None if rule is None else rule.action(target)
            try:
                if action is not None:
                    check(kind, target, action)
            except PydanticCustomError as error:
                here = places.get((name, target), place)
                self.complain(tree.line_of(here), issue(error.type, field=path(here), **(error.context or {})))

    def _unknown(self, tree: Located, code: str, name: str, place: Place, known: "Mapping[str, object] | set[str]") -> None:
        self.complain(tree.line_of(place), issue(code, field=path(place), value=name, reason=_hint(name, known)))

    def _timezones_exist(self, tree: Located) -> None:
        for at, entry in enumerate(tree.entries("connections")):
            timezone = entry.get("timezone")
            if timezone is None or not isinstance(timezone.value, str) or timezone.is_unreadable:
                continue
            try:
                ZoneInfo(timezone.value)
            except (ValueError, OSError, LookupError):
                place = ("connections", at, "timezone")
                shown = "of the environment" if timezone.is_from_environment else timezone.value
                self.complain(tree.line_of(place), issue("TIMEZONE_UNKNOWN", field=path(place), value=shown))

    def _operations_are_metered(self, tree: Located) -> None:
        for at, entry in enumerate(tree.entries("connections")):
            application = entry.get("application")
            for operation, _ in [] if application is None else application.items("usage_plans"):
                if operation not in METERED:
                    self._unknown(tree, "KEY_UNKNOWN", operation, ("connections", at, "application", "usage_plans", operation), METERED)

    def _sellers_agree(self, tree: Located) -> None:
        """One seller's connections in one region share an account, and so its credentials."""
        seen: dict[tuple[object, ...], tuple[str, object]] = {}
        for at, entry in enumerate(tree.entries("connections")):
            said = {key: node.plain() for key, node in entry.items()}
            marketplace = MARKETPLACES.get(str(said.get("marketplace_id")))
            application = said.get("application")
            application = application if isinstance(application, dict) else {}
            if marketplace is None or "selling_partner_id" not in said:
                continue
            account = (application.get("client_id"), said["selling_partner_id"], marketplace.region)
            credentials = (said.get("refresh_token"), application.get("client_secret"), application.get("usage_plans"))
            name, first = seen.setdefault(account, (str(said.get("name")), credentials))
            if first != credentials:
                place = ("connections", at, "refresh_token")
                self.complain(tree.line_of(place), issue("SELLER_DISAGREES", field=path(place), value=name))


def _text_at(node: Located, key: str) -> str:
    """Return the text at *key*, an empty one where there is none."""
    found = node.get(key)
    return found.value if found is not None and isinstance(found.value, str) else ""


def _uses(entry: Located, place: Place) -> Iterator[_Use]:
    """Yield what the templates of one connection refer to; a template that is not given is the default one."""
    for section, (kind, default) in TEMPLATES.items():
        node = entry.get(section)
        template = None if node is None else node.get("template")
        if template is None:
            for target, spec in default.items():
                found = None if spec.mapping_set is None else (spec.mapping_set, place)
                yield _Use(kind, target, [(name, place) for name in spec.rules], found)
            continue
        for target, spec_node in template.items():
            here = (*place, section, "template", target)
            rules = [
                (rule.value, (*here, "rules", at)) for at, rule in enumerate(spec_node.entries("rules")) if isinstance(rule.value, str)
            ]
            mapping_set = spec_node.get("mapping_set")
            named = None if mapping_set is None or not isinstance(mapping_set.value, str) else (mapping_set.value, (*here, "mapping_set"))
            yield _Use(kind, target, rules, named)


def _explained(fault: ErrorDetails, nearest: Located) -> Issue:
    """Return pydantic's complaint as an issue of ours."""
    kind, place = fault["type"], fault["loc"]
    value = _repeatable(place, nearest)
    if kind in FAULTS:
        words = {"value": value, **(fault.get("ctx") or {})}
        if words["value"] is not None and nearest.is_from_environment:
            words["value"] = "of the environment"
        return issue(kind, field=path(place), **words)
    if kind == "missing":
        return issue("KEY_MISSING", field=path(place))
    if kind == "extra_forbidden":
        return issue("KEY_UNKNOWN", field=path(place), value=str(place[-1]), reason=_hint(str(place[-1]), _KNOWN_KEYS))
    if kind in _WITHOUT_VALUE:
        return issue("SETTING_INVALID", field=path(place), reason=_WITHOUT_VALUE[kind])
    wanted = _WANTED.get(kind) or re.sub("^(Input|String) should", "it must", fault["msg"])
    told = "" if value is None else f", but is {shown(repr(value) if isinstance(value, str) else spelt(value))}"
    return issue("SETTING_INVALID", field=path(place), value=value, reason=f"{wanted}{told}.")


# What pydantic says in Python's words, as the file would say it.
_WITHOUT_VALUE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("model_type", "dict_type", "mapping_type"), "it must be a map."),
    **dict.fromkeys(("too_short", "string_too_short"), "it is empty."),
    "tuple_type": "it must be a list.",
}
_WANTED: Final[Mapping[str, str]] = {
    "string_type": "it must be a text",
    "bool_type": "it must be true or false",
    "int_type": "it must be a whole number",
}


def _repeatable(place: Place, found: Located) -> str | int | Decimal | None:
    """Return the value at *place* as a fault may repeat it: None for a secret, and for what came from outside the file."""
    is_secret = found.is_from_environment or not _SECRETS.isdisjoint(place)
    return found.value if isinstance(found.value, str | int | Decimal) and not is_secret else None


def _hint(name: str, known: "Mapping[str, object] | set[str] | frozenset[str]") -> str:
    """Return a near miss as the end of a sentence: one that differs by case or spacing before one that looks alike."""
    folded = "".join(name.split()).casefold()
    near = [word for word in known if "".join(word.split()).casefold() == folded] or difflib.get_close_matches(name, list(known), n=1)
    return f"; {near[0]} is near" if near else ""


_MODELS: Final[tuple[type[BaseModel], ...]] = (
    *(ConnectionFile, Entry, Application, Rule, Condition, Spec),
    *(ImportListings, PublishListings, SyncListings, GetOrders, SyncOrders),
)
_KNOWN_KEYS: Final = frozenset(field.alias or name for model in _MODELS for name, field in model.model_fields.items())
