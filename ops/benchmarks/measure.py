"""Medians of pairs, and a table of what was wanted and what was found."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Figure(NamedTuple):
    """One line of the result: a value, the bound it is held against, and whether it keeps it."""

    name: str
    found: str
    wanted: str
    kept: bool


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def at_least(name: str, ratios: Sequence[float], bound: float) -> Figure:
    return Figure(name, _described(ratios), f"at least {bound:g}", median(ratios) >= bound)


def at_most(name: str, ratios: Sequence[float], bound: float) -> Figure:
    return Figure(name, _described(ratios), f"at most {bound:g}", median(ratios) <= bound)


def _described(values: Sequence[float]) -> str:
    spread = f" ({min(values):.2f} to {max(values):.2f}, {len(values)} runs)" if len(values) > 1 else ""
    return f"{median(values):.2f}{spread}"
