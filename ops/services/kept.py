"""A handle on a server that lives in a keeper process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, ClassVar, Self

from ops.services.errors import ServiceUnavailable
from ops.services.running import Address, Durability, Kind, Place

_CHECKOUT = Path(__file__).resolve().parents[2]


class KeptServer:
    """A running server; the subclasses say which kind, and how to administer it."""

    kind: ClassVar[Kind]

    def __init__(self, address: Address, keeper: "subprocess.Popen[str] | None" = None) -> None:
        self.address = address
        self._keeper = keeper

    @property
    def url(self) -> str:
        return self.address["url"]

    @classmethod
    def launch(cls, *, durability: Durability = Durability.SAFE, place: Place = Place.LOCAL) -> Self:
        """Start a server on free ports, with its data in a temporary folder; it ends with `close`, or with this process, however that ends.

        Raises: ServiceUnavailable, with one sentence that says what to install.
        """
        keeper = _keeper(cls.kind, durability, place, subprocess.PIPE)
        try:
            return cls(_answer(keeper), keeper)
        except BaseException:
            _end(keeper)
            raise

    @classmethod
    def launch_shared(cls, lifeline: Path, *, durability: Durability, place: Place) -> Self:
        """Start a server that ends when the last writer closes the FIFO *lifeline*, and not with this process."""
        with lifeline.open("rb", buffering=0) as end:
            keeper = _keeper(cls.kind, durability, place, end)
        try:
            address = _answer(keeper)
        finally:
            if keeper.stdout:
                keeper.stdout.close()
        # Nobody here waits for it: it outlives us, or ends together with us.
        keeper.returncode = 0
        return cls(address)

    def stop(self) -> None:
        """Shut the server down in order; `start` starts it again with its data, at the same address."""
        self._order("stop")

    def start(self) -> None:
        """Start the server again after `stop` or `kill`, and return when it answers."""
        self._order("start")

    def kill(self) -> None:
        """End the server at once, as kill -9 does."""
        self._order("kill")

    def close(self) -> None:
        """End the server and remove its data, when it is ours alone."""
        if self._keeper:
            _end(self._keeper)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _order(self, word: str) -> None:
        if self._keeper is None or self._keeper.stdin is None:
            raise RuntimeError(f"this {self.kind} is shared, or not ours: launch a private one to {word} it")
        self._keeper.stdin.write(f"{word}\n")
        self._keeper.stdin.flush()
        _answer(self._keeper)


def _keeper(kind: Kind, durability: Durability, place: Place, lifeline: int | IO[bytes]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "ops.services.keeper", kind, "--durability", durability, "--place", place],
        stdin=lifeline,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_CHECKOUT,
        start_new_session=True,  # a Ctrl-C or a kill of our whole group must leave it alive to clean up
    )


def _answer(keeper: "subprocess.Popen[str]") -> Address:
    assert keeper.stdout is not None
    line = keeper.stdout.readline()
    if not line:
        raise ServiceUnavailable(f"The process that keeps a server ended without a word (exit code {keeper.wait()}).")
    answer = json.loads(line)
    if "error" in answer:
        raise ServiceUnavailable(answer["error"])
    address: Address = answer
    return address


def _end(keeper: "subprocess.Popen[str]") -> None:
    for stream in (keeper.stdin, keeper.stdout):
        if stream:
            stream.close()
    keeper.wait()
