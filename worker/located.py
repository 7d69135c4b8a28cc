"""YAML or JSON text as a tree in which every value knows its line.

Numbers are exact, and only what YAML and JSON agree on is a number: `0012`, `1_000`, `12:30` and dates stay texts, so
that an unquoted UPC keeps its zeros. `${NAME}` is replaced in parsed scalars, so that no value can change the structure.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from worker.core.issues import Issue, issue

Place: TypeAlias = tuple[int | str, ...]
Complain: TypeAlias = Callable[[int, Issue], None]

MOST_DIGITS: Final = 18
MOST_LEVELS: Final = 30
MOST_VALUES: Final = 2_000_000

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+\Z")
_WORDS: Final[Mapping[str, bool | None]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_TAG: Final = "tag:yaml.org,2002:"
_QUOTED: Final = re.compile(r"""(['"])(?=[^'"]*\w).*\1""", re.DOTALL)


@dataclass(frozen=True)
class SecretFile:
    """A scalar tagged `!file`: the path of a file that holds a secret."""

    path: str


Scalar: TypeAlias = str | int | bool | Decimal | SecretFile | None


@dataclass(frozen=True)
class Located:
    """A value, its line (the first is 1), and for a map the lines of its keys. Does not print: it may be a secret."""

    line: int
    value: "Scalar | dict[str, Located] | list[Located]" = field(repr=False)
    key_lines: Mapping[str, int] = field(default_factory=dict, repr=False)
    is_from_environment: bool = False
    is_unreadable: bool = False
    """A fault has been told already: what else is wrong with the value says nothing."""

    def plain(self) -> object:
        """Return the value without its places."""
        if isinstance(self.value, dict):
            return {key: entry.plain() for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [entry.plain() for entry in self.value]
        return self.value

    def get(self, key: str) -> "Located | None":
        return self.value.get(key) if isinstance(self.value, dict) else None

    def entries(self, key: str | None = None) -> "list[Located]":
        """Return the entries of this list, or of the list at *key*; none where there is no list."""
        found = self if key is None else self.get(key)
        return found.value if found is not None and isinstance(found.value, list) else []

    def items(self, key: str | None = None) -> "list[tuple[str, Located]]":
        """Return the items of this map, or of the map at *key*; none where there is no map."""
        found = self if key is None else self.get(key)
        return list(found.value.items()) if found is not None and isinstance(found.value, dict) else []

    def line_of(self, place: Place) -> int:
        """Return the line of the value at *place*, or of its nearest ancestor that the text has."""
        return self._nearest(place)[0]

    def nearest(self, place: Place) -> "Located":
        """Return the value at *place*, or its nearest ancestor that the text has."""
        return self._nearest(place)[1]

    def _nearest(self, place: Place) -> "tuple[int, Located]":
        line, found = self.line, self
        for part in place:
            if isinstance(found.value, dict) and isinstance(part, str) and part in found.value:
                line, found = found.key_lines[part], found.value[part]
            elif isinstance(found.value, list) and isinstance(part, int) and part < len(found.value):
                found = found.value[part]
                line = found.line
            else:
                break
        return line, found


def path(place: Place) -> str:
    """Return *place* as a person reads it: `connections[0].sync_listings`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def read(text: str, environment: Mapping[str, str], complain: Complain) -> Located | None:
    """Return the tree of *text*, or None when its syntax is broken. *complain* is told of every fault and its line."""
    try:
        node = YAML(typ="rt", pure=True).compose(text)
    except MarkedYAMLError as error:
        complain(1 if error.problem_mark is None else error.problem_mark.line + 1, _syntax(error.problem))
    except ReaderError as error:
        complain(text.count("\n", 0, error.position) + 1, _syntax("a control character"))
    except YAMLError:
        complain(1, _syntax(None))
    except RecursionError:
        complain(1, issue("TOO_DEEP", limit=MOST_LEVELS))
    else:
        tree = None if node is None else _Reading(environment, complain).located(node, ())
        if tree is None:
            complain(1, _syntax("the file is empty"))
        elif _weight(tree, {}) > MOST_VALUES:
            complain(1, _syntax(f"aliases make more than {MOST_VALUES} values of it"))
        else:
            return tree
    return None


def _weight(tree: Located, known: dict[int, int]) -> int:
    """Return how many values *tree* has when what aliases share is counted every time."""
    if id(tree) not in known:
        inside = tree.value.values() if isinstance(tree.value, dict) else tree.value if isinstance(tree.value, list) else ()
        known[id(tree)] = 1 + sum(_weight(entry, known) for entry in inside)
    return known[id(tree)]


def _syntax(problem: str | None) -> Issue:
    # The parser quotes what it stumbled over, which may be a secret.
    return issue("FILE_INVALID", reason=(_QUOTED.sub("…", problem) if problem else "the syntax is broken") + ".")


class _Reading:
    def __init__(self, environment: Mapping[str, str], complain: Complain) -> None:
        self._environment, self._complain = environment, complain
        self._done: dict[int, Located] = {}  # aliases name one node twice: it is read once, so that they cannot multiply

    def located(self, node: Node, place: Place) -> Located:
        if id(node) not in self._done:
            line = node.start_mark.line + 1
            self._done[id(node)] = Located(line, None)  # what an alias inside its own anchor gets
            if len(place) > MOST_LEVELS:
                self._complain(line, issue("TOO_DEEP", field=path(place[:3]), limit=MOST_LEVELS))
            else:
                self._done[id(node)] = self._read(node, line, place)
        return self._done[id(node)]

    def _read(self, node: Node, line: int, place: Place) -> Located:
        if isinstance(node, MappingNode):
            entries: dict[str, Located] = {}
            key_lines: dict[str, int] = {}
            for key, key_line, value in self._pairs(node, place):
                if key in entries:
                    self._complain(key_line, issue("KEY_REPEATED", field=path((*place, key)), value=key))
                else:
                    entries[key], key_lines[key] = self.located(value, (*place, key)), key_line
            return Located(line, entries, key_lines)
        if isinstance(node, SequenceNode):
            return Located(line, [self.located(entry, (*place, at)) for at, entry in enumerate(node.value)])
        return self._scalar(node, node.tag or _TAG + "str", line, place)

    def _pairs(self, node: MappingNode, place: Place, merges: int = 0) -> Iterator[tuple[str, int, Node]]:
        """Yield a map's keys and values; what `<<` merges into it comes last, and without the keys that stand in the map."""
        own: set[str] = set()
        merged: list[Node] = []
        for key, value in node.value:
            if key.tag == _TAG + "merge" and merges <= MOST_LEVELS:
                merged += value.value if isinstance(value, SequenceNode) else [value]
            elif not isinstance(key, ScalarNode):
                self._complain(key.start_mark.line + 1, issue("SETTING_INVALID", field=path(place), reason="a key must be a text."))
            else:
                line = key.start_mark.line + 1
                name = self._storable(key.value, line, place)
                own.add(name)
                yield name, line, value
        for parent in merged:
            if isinstance(parent, MappingNode) and parent is not node:
                for key, line, value in self._pairs(parent, place, merges + 1):
                    if key not in own:
                        own.add(key)
                        yield key, line, value

    def _scalar(self, node: Node, tag: str, line: int, place: Place) -> Located:
        text = node.value
        names = _VARIABLE.findall(text)
        unset = [name for name in names if name not in self._environment]
        for name in unset:
            self._complain(line, issue("VARIABLE_UNSET", field=path(place), value=name))
        spelt = self._storable(_VARIABLE.sub(lambda match: self._environment.get(match[1], ""), text), line, place)
        if tag == "!file":
            return Located(line, SecretFile(spelt), is_from_environment=bool(names), is_unreadable=bool(unset))
        if not tag.startswith(_TAG):
            self._complain(line, issue("SETTING_INVALID", field=path(place), reason="it has a tag; !file is the only one."))
        if names or tag == _TAG + "str":
            return Located(line, spelt, is_from_environment=bool(names), is_unreadable=bool(unset))
        return Located(line, self._plain(text, line, place))

    def _storable(self, text: str, line: int, place: Place) -> str:
        """Return *text* as Postgres takes it."""
        if not text.isascii():  # JSON writes an emoji as two \u escapes
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if "\0" in text:  # Postgres has no place for it
            self._complain(line, issue("SETTING_INVALID", field=path(place), reason="it has a NUL character."))
        return text

    def _plain(self, text: str, line: int, place: Place) -> Scalar:
        if text in _WORDS:
            return _WORDS[text]
        is_whole = _INTEGER.match(text) is not None
        if not is_whole and not _DECIMAL.match(text):
            return text
        if sum(character.isdigit() for character in text) > MOST_DIGITS:
            self._complain(line, issue("NUMBER_OUT_OF_RANGE", field=path(place), limit=MOST_DIGITS))
        return int(text) if is_whole else Decimal(text)
