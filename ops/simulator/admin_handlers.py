"""What the files of the admin API are made of: handlers, each with its method and its path under /_simulator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

import msgspec
from starlette.requests import Request as HttpRequest

from ops.simulator.world import World

_Body = TypeVar("_Body")


class NotFound(Exception):
    """What the path names is not there."""


class Handler(NamedTuple):
    """`run` gives back a Response, or what becomes JSON. ValueError is answered with 400, NotFound with 404."""

    method: str
    path: str
    run: Callable[[World, HttpRequest], Awaitable[object]]


async def read(http: HttpRequest, kind: type[_Body]) -> _Body:
    """The body of the request as a *kind*. Raises msgspec.ValidationError, naming the field."""
    return msgspec.json.decode(await http.body() or b"{}", type=kind)
