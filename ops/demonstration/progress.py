"""How far the demo is: drawn anew in a terminal, told line by line anywhere else. All of it goes to standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from ops.demonstration.ledger import Standing

if TYPE_CHECKING:
    from rich.console import RenderableType

LINE_EVERY_SECONDS: Final = 3.0
FEEDS_SHOWN: Final = 8


class View(NamedTuple):
    """What is to be shown. `published` and `total` count messages, repeats among them."""

    seconds: float
    published: int
    total: int
    standing: Standing


Show = Callable[[View], None]


@contextmanager
def progress() -> Iterator[Show]:
    """Yield what shows a view."""
    if not sys.stderr.isatty():
        yield _Lines().show
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=8, transient=True) as live:
        yield lambda view: live.update(_drawn(view))


class _Lines:
    """At most one line in `LINE_EVERY_SECONDS`."""

    def __init__(self) -> None:
        self._next = 0.0

    def show(self, view: View) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_EVERY_SECONDS
            print(_line(view), file=sys.stderr, flush=True)


def _line(view: View) -> str:
    at, unsettled = view.standing, sum(feed.state != "settled" for feed in view.standing.feeds)
    return (
        f"{view.seconds:3.0f} s  published {view.published:,} of {view.total:,} · logged {at.staged:,} · decided {at.decided:,} · "
        f"waiting {at.waiting:,}, in feeds {at.in_feeds:,} · feeds {len(at.feeds)}, {unsettled} of them under way"
    )


def _drawn(view: View) -> "RenderableType":
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    at = view.standing
    bars = Table.grid(padding=(0, 2))
    for name, done in (
        ("published", view.published),
        ("logged", at.staged + at.repeats + at.unidentified),
        ("decided", at.decided + at.repeats + at.unidentified),
    ):
        bars.add_row(name, ProgressBar(total=view.total, completed=done, width=50), f"{done:,} of {view.total:,}")
    waiting = f"{view.seconds:.0f} s · SKUs and orders waiting {at.waiting:,}, in feeds {at.in_feeds:,}, held {at.held:,}"
    words = " · ".join(f"{word} {count:,}" for word, count in sorted(at.outcomes.items()))
    feeds = Table("feed", "connection", "state", "messages", "accepted", "rejected", box=None, padding=(0, 2, 0, 0))
    for feed in at.feeds[-FEEDS_SHOWN:]:
        feeds.add_row(
            *(
                "" if cell is None else str(cell)
                for cell in (feed.id, feed.connection, feed.state, feed.messages, feed.accepted, feed.rejected)
            )
        )
    return Group(bars, Text(waiting), Text(words), feeds)
