"""All of the simulator as one ASGI application."""

from __future__ import annotations

from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ops.simulator import admin, feeds, listings_items, lwa, orders, product_types, reports, sellers, storage
from ops.simulator.answers import Refusal
from ops.simulator.gateway import Exchange, endpoint
from ops.simulator.world import World

# An API is a file with a table of operations; a new one is added here.
APIS = (feeds, listings_items, orders, product_types, reports, sellers)
OPERATIONS = tuple(operation for api in APIS for operation in api.OPERATIONS)


def create_app(world: World) -> ASGIApp:
    """LWA, SP-API, documents and the admin API of *world*."""
    routes = [
        Route(lwa.PATH, partial(lwa.token, world), methods=["POST"]),
        Route("/documents/{documentId}", partial(storage.upload, world), methods=["PUT"]),
        Route("/documents/{documentId}", partial(storage.download, world), methods=["GET"]),
        *(Route(operation.path, endpoint(world, operation), methods=[operation.method]) for operation in OPERATIONS),
        *admin.routes(world),
        Route("/{rest:path}", partial(_unknown, world), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
    return _RoutedByRawPath(Starlette(routes=routes))


async def _unknown(world: World, http: HttpRequest) -> Response:
    refusal = Refusal(404, "NotFound", "The requested resource doesn't exist.")
    return Exchange(world, http, "unknown").respond(refusal.answer())


class _RoutedByRawPath:
    """Routes by the path as it was sent: a `%2F` in a SKU is no slash. Parameters are decoded afterwards."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["raw_path"].decode("latin-1")}
        await self._app(scope, receive, send)
