"""The rows that the project has to prove, and which tests say that they do."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

_LIST = Path(__file__).with_name("requirements.txt")


def all_rows() -> Mapping[str, str]:
    """Return every row with a few words on it, in order."""
    lines = [line for line in _LIST.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split(maxsplit=1) for line in lines)


def rows_of(item: pytest.Item) -> list[str]:
    return [str(row) for mark in item.iter_markers("requirement") for row in mark.args]


def unproved(proved: Collection[str]) -> list[str]:
    """Return one line for each row that is not among *proved*."""
    return [f"{row:5} {words}" for row, words in all_rows().items() if row not in proved]
