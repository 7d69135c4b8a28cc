"""Start a simulator and steer it from a test, a demo or a benchmark."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlencode

import msgspec
import urllib3

_STOP_SECONDS = 5


class SimulatorError(RuntimeError):
    """The simulator did not start, or refused what it was told."""


class Credentials(NamedTuple):
    """One authorisation: what a client needs to log in."""

    seller_id: str
    client_id: str
    client_secret: str
    refresh_token: str


class Simulator:
    """A running simulator. `process` is None when somebody else started it."""

    def __init__(self, url: str, process: subprocess.Popen[str] | None = None) -> None:
        self.url = url
        self.process = process
        self._http = urllib3.PoolManager(maxsize=4, retries=False, timeout=urllib3.Timeout(connect=3, read=60))

    @classmethod
    def start(cls, *, speed: float = 1.0, seed: int | None = None, scenario: Path | None = None, options: Sequence[str] = ()) -> Self:
        """A process of its own on a free port, ready to be called. Raises SimulatorError when it ends first."""
        command = [sys.executable, "-m", "ops.simulator", "--port", "0", "--speed", f"{speed:g}", *options]
        command += [] if seed is None else ["--seed", str(seed)]
        command += [] if scenario is None else ["--scenario", str(scenario)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        # The line is printed when the first call can be taken; end of file means that none ever will.
        line = process.stdout.readline()
        if " listening on " not in line:
            process.stdout.close()
            raise SimulatorError(f"the simulator ended with exit code {process.wait(_STOP_SECONDS)} before it listened")
        return cls(line.split(" listening on ")[1].split()[0], process)

    def stop(self) -> int:
        """End the process, and say its exit code (0 after a clean stop)."""
        self._http.clear()
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def lwa_url(self) -> str:
        return f"{self.url}/auth/o2/token"

    def register_seller(
        self,
        seller_id: str = "A1EXAMPLESELLER",
        marketplace_ids: Sequence[str] = ("ATVPDKIKX0DER",),
        *,
        client_id: str = "amzn1.application-oa2-client.simulated",
        client_secret: str = "amzn1.oa2-cs.v1.simulated",  # noqa: S107 - nobody's secret
        refresh_token: str | None = None,
        region: str | None = None,
    ) -> Credentials:
        """Make a seller and its authorisation known; repeating it is harmless."""
        token = refresh_token or f"Atzr|{seller_id}"
        body = {"refresh_token": token, "client_id": client_id, "client_secret": client_secret, "marketplace_ids": [*marketplace_ids]}
        self.call("PUT", f"/sellers/{quote(seller_id)}", body if region is None else {**body, "region": region})
        return Credentials(seller_id, client_id, client_secret, token)

    def revoke_access_tokens(self, seller_id: str) -> None:
        self.call("DELETE", f"/sellers/{quote(seller_id)}/tokens")

    def put_catalogue(
        self,
        seller_id: str,
        marketplace_id: str,
        items: Iterable[Mapping[str, object]] = (),
        *,
        generate: Mapping[str, object] | None = None,
        clear: bool = False,
    ) -> int:
        """Put listings in place (see `scenario.ItemGiven` and `Generate` for the fields); how many."""
        body: dict[str, object] = {"items": list(items)}
        if generate is not None:
            body["generate"] = generate
        answer = self.call("PUT", f"/catalogue/{quote(seller_id)}/{marketplace_id}", body, clear=1 if clear else None)
        return int(answer["put"])

    def catalogue(self, seller_id: str, marketplace_id: str, *, full: bool = False) -> dict[str, dict[str, Any]]:
        """Every item by SKU. Prices are decimal strings with Amazon's exact digits."""
        items = self.call("GET", f"/catalogue/{quote(seller_id)}/{marketplace_id}", full=1 if full else None)
        return {item["sku"]: item for item in items}

    def item(self, seller_id: str, marketplace_id: str, sku: str) -> dict[str, Any] | None:
        """One item with its attributes, or None."""
        status, body = self._send("GET", f"/catalogue/{quote(seller_id)}/{marketplace_id}/item", None, {"sku": sku})
        if status == 404:
            return None
        found: dict[str, Any] = _checked(status, body)
        return found

    def history(self, seller_id: str, marketplace_id: str, sku: str | None = None) -> list[dict[str, Any]]:
        """What was submitted for a SKU (or all), oldest first: operation, attributes named, outcome, feed; see `history.Submitted`."""
        found: list[dict[str, Any]] = self.call("GET", f"/catalogue/{quote(seller_id)}/{marketplace_id}/history", sku=sku)
        return found

    def put_products(self, marketplace_id: str, products: Iterable[Mapping[str, object]]) -> int:
        """Make products of Amazon's known (`asin`, and `title`, `product_type`, `identifiers`); how many.

        An offer for another ASIN or identifier is refused with 8560 and 13013, unless `set_limits(unregistered_products="known")`.
        The ASIN of a listing put into a catalogue is known, too.
        """
        return int(self.call("PUT", f"/products/{marketplace_id}", list(products))["put"])

    def products(self, marketplace_id: str) -> dict[str, dict[str, Any]]:
        """Every registered product by ASIN, those that publishing made included."""
        return {product["asin"]: product for product in self.call("GET", f"/products/{marketplace_id}")}

    def put_more_listings(self, seller_id: str, marketplace_id: str, **more: object) -> None:
        """Give listings reports lines beside those of the catalogue: see `listings_report.MoreListings` for the fields."""
        self.call("PUT", f"/more-listings/{quote(seller_id)}/{marketplace_id}", more)

    def reports(self, seller_id: str) -> list[dict[str, Any]]:
        """Every report that was asked for, in the order of creation, with its `status` and `options`."""
        found: list[dict[str, Any]] = self.call("GET", f"/reports/{quote(seller_id)}")
        return found

    def release_report(self, seller_id: str, report_id: str) -> None:
        """Let a stuck report go on."""
        self.call("POST", f"/reports/{quote(seller_id)}/{report_id}/release")

    def put_orders(self, seller_id: str, orders: Iterable[Mapping[str, object]]) -> int:
        """Put orders in place (see `given_orders.OrderGiven` for the fields); how many."""
        return int(self.call("POST", f"/orders/{quote(seller_id)}", list(orders))["put"])

    def orders(self, seller_id: str) -> dict[str, dict[str, Any]]:
        """Every order by its id, with its `packages`, and with `shipped` and `confirmations` of each of its `items`."""
        return {order["order_id"]: order for order in self.call("GET", f"/orders/{quote(seller_id)}")}

    def order(self, seller_id: str, order_id: str) -> dict[str, Any]:
        """One order. Raises SimulatorError when there is none."""
        found: dict[str, Any] = self.call("GET", f"/orders/{quote(seller_id)}/{quote(order_id)}")
        return found

    def change_order(self, seller_id: str, order_id: str, **change: object) -> dict[str, Any]:
        """Change an order, now or `after` so many virtual seconds (see `given_orders.OrderChange`); the order."""
        found: dict[str, Any] = self.call("POST", f"/orders/{quote(seller_id)}/{quote(order_id)}", change)
        return found

    def fault(self, kind: str, **rule: object) -> int:
        """Add a fault (see `faults.KINDS` and `faults.Rule`), and return its id."""
        return int(self.call("POST", "/faults", {"kind": kind, **rule})["id"])

    def clear_faults(self, fault_id: int | None = None) -> None:
        self.call("DELETE", "/faults", id=fault_id)

    def calls(self, operation: str | None = None, **query: object) -> list[dict[str, Any]]:
        """The call log, oldest first. *query*: status, seller, after, since, limit."""
        found: list[dict[str, Any]] = self.call("GET", "/calls", operation=operation, **query)
        return found

    def call_counts(self) -> dict[str, dict[str, int]]:
        """Operation to status to number of calls; status "0" is a cut connection."""
        found: dict[str, dict[str, int]] = self.call("GET", "/calls/counts")
        return found

    def feeds(self, **query: object) -> list[dict[str, Any]]:
        """Every feed in the order of creation. *query*: seller, status, feed_type."""
        found: list[dict[str, Any]] = self.call("GET", "/feeds", **query)
        return found

    def feed_document(self, seller_id: str, feed_id: str) -> bytes:
        """What was uploaded for a feed, byte for byte."""
        status, body = self._send("GET", f"/feeds/{quote(seller_id)}/{feed_id}/document", None, {})
        if status != 200:
            raise SimulatorError(body.decode())
        return body

    def release_feed(self, seller_id: str, feed_id: str) -> None:
        """Let a stuck feed go on."""
        self.call("POST", f"/feeds/{quote(seller_id)}/{feed_id}/release")

    def advance(self, seconds: float) -> None:
        """Jump so many virtual seconds ahead."""
        self.call("PUT", "/clock", {"advance": seconds})

    def set_speed(self, speed: float) -> None:
        self.call("PUT", "/clock", {"speed": speed})

    def freeze(self, *, frozen: bool = True) -> None:
        """Stop the virtual clock; `advance` still moves it."""
        self.call("PUT", "/clock", {"freeze": frozen})

    def clock(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", "/clock")
        return found

    def set_limits(self, **limits: object) -> None:
        """Change the limits named (see `limits.Limits`)."""
        self.call("PUT", "/limits", limits)

    def reset(self) -> None:
        """Forget sellers, catalogues, feeds, faults, limits and the call log; the clock goes on."""
        self.call("POST", "/reset")

    def call(self, method: str, path: str, body: object = None, **query: object) -> Any:  # noqa: ANN401 - JSON
        """Any call of the admin API. Raises SimulatorError with its text when it is refused."""
        return _checked(*self._send(method, path, body, query))

    def _send(self, method: str, path: str, body: object, query: Mapping[str, object]) -> tuple[int, bytes]:
        given = {name: str(value) for name, value in query.items() if value is not None}
        url = f"{self.url}/_simulator{path}" + (f"?{urlencode(given)}" if given else "")
        content = None if body is None else msgspec.json.encode(body)
        response = self._http.request(method, url, body=content, headers={"Content-Type": "application/json"})
        return response.status, response.data


def _checked(status: int, body: bytes) -> Any:  # noqa: ANN401 - JSON
    if status != 200:
        raise SimulatorError(f"{status}: {body.decode()}")
    return msgspec.json.Decoder(float_hook=Decimal).decode(body)
