"""Marked secrets go through everything that can fail; none of them comes out anywhere."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ops.simulator.control import Simulator
from tests.end_to_end.ledger import Ledger
from tests.end_to_end.shop import connect, simulated_by
from tests.end_to_end.upstream import NAME, SELLER, Upstream
from tests.eventually import eventually
from tests.tcp_proxy import TcpProxy
from tests.worker_process import FEEDLINE, WorkerProcess

MARK = "s3cr3t-"
KEY = base64.urlsafe_b64encode(f"{MARK}key, of exactly 32 bytes.."[:32].ljust(32, ".").encode()).decode()
REFRESH_TOKEN = f"Atzr|{MARK}refresh"
PASSWORD = f"{MARK}password"


@pytest.mark.requirement("R4")
def test_no_secret_comes_out_anywhere(
    upstream: Upstream,
    worker: Callable[..., WorkerProcess],
    settings: dict[str, str],
    fast_simulator: Simulator,
    tcp_proxy: Callable[[str], TcpProxy],
    ledger: Ledger,
    tmp_path: Path,
) -> None:
    proxy = tcp_proxy(settings["FEEDLINE_DATABASE_URL"])
    environment = simulated_by(
        fast_simulator,
        {
            **settings,
            "FEEDLINE_DATABASE_URL": proxy.url(settings["FEEDLINE_DATABASE_URL"]),
            "FEEDLINE_SECRET_KEYS": KEY,
            "FEEDLINE_LWA_CLIENT_SECRET": f"{MARK}client",
            "FEEDLINE_LOG_LEVEL": "debug",
        },
    )
    connect(environment, fast_simulator, tmp_path, refresh_token=REFRESH_TOKEN)
    running = worker(environment).wait_ready()
    upstream.listen()

    for fault in ("token_expired", "upload_error", "download_error", "url_expired_early"):
        fast_simulator.fault(fault)
    fast_simulator.fault("error_after", operation="token")
    upstream.publish(*({"sku": f"MUG-{number}", "quantity": number} for number in range(1, 21)))
    upstream.publish({"sku": "MUG-1", "quantity": "wrong"}, id_="bad")
    eventually(lambda: ledger.is_drained(21), 60)
    proxy.refuse()
    eventually(lambda: not running.is_ready(), 10)
    outputs = {"readyz": running.get("/readyz")[1], "status without a database": said(environment, "status")}
    proxy.heal()
    eventually(running.is_ready, 10)
    fast_simulator.fault("refresh_revoked", count="always")
    fast_simulator.revoke_access_tokens(SELLER)
    upstream.publish({"sku": "MUG-1", "quantity": 99}, id_="late")
    eventually(lambda: running.logged("authorization_lost"), 30)

    outputs |= {" ".join(command): said(environment, *command) for command in COMMANDS}
    outputs |= {"metrics": running.get("/metrics")[1], "events": json.dumps(upstream.all_told())}
    outputs["a wrong key"] = said({**environment, "FEEDLINE_SECRET_KEYS": f"{MARK}no-key"}, "status")
    outputs["a wrong URL"] = said({**environment, "FEEDLINE_DATABASE_URL": f"postgresql://u:{PASSWORD}@127.0.0.1:1/x"}, "status")
    outputs["a wrong broker"] = said({**environment, "FEEDLINE_AMQP_URL": f"amqp://u:{PASSWORD}@127.0.0.1:1/x"}, "doctor")
    assert running.terminate() == 0
    outputs["log"] = running.log_path.read_text()

    tokens = re.compile(rf"{MARK}|{re.escape(KEY)}|Atz[ar]\||X-Amz-Signature")
    assert {where: text for where, text in outputs.items() if tokens.search(text)} == {}


COMMANDS = (
    ("status", "--json"),
    ("settings",),
    ("connection", "show", NAME, "--json"),
    ("connection", "test", NAME),
    ("results", "--connection", NAME, "--json"),
    ("trace", "m1", "--json"),
)


def said(environment: Mapping[str, str], *arguments: str) -> str:
    """Return all that a command prints, whether it succeeds or not."""
    done = subprocess.run(
        [str(FEEDLINE), *arguments], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr
