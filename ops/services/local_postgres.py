"""Postgres from programs on this machine, with a data folder of its own."""

import shutil
import signal
import subprocess
from pathlib import Path

from ops.services.account import Account, private_directory, unprivileged_account
from ops.services.children import Child
from ops.services.errors import ServiceUnavailable
from ops.services.ports import free_port
from ops.services.programs import find_postgres
from ops.services.readiness import postgres_answers, wait_until
from ops.services.roles import ADMINISTRATOR, prepare_role, role_url
from ops.services.running import Address, Durability

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # TCP is all we use, and a socket's path may not be longer than 107 bytes
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_BY_DURABILITY = {
    Durability.SAFE: {},
    Durability.FAST: {"fsync": "off", "full_page_writes": "off"},
}


class LocalPostgres:
    """One private database server; the role that clients get is no superuser."""

    def __init__(self, durability: Durability) -> None:
        self._durability = durability
        self._directory = private_directory("feedline-postgres-")
        self._port = free_port()
        self._account: Account = unprivileged_account()
        self._child: Child | None = None

    def start(self) -> Address:
        programs = find_postgres(self._account, self._directory)
        data = self._directory / "data"
        is_new = not data.exists()
        if is_new:
            self._initialise(programs, data)
        settings = {**_SETTINGS, **_BY_DURABILITY[self._durability], "port": str(self._port)}
        child = Child(
            [programs / "postgres", "-D", data, *(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))],
            log=self._directory / "postgres.log",
            directory=data,
            environment={"LC_ALL": "C", "TZ": "UTC"},
            account=self._account,
        )
        self._child = child
        wait_until(
            lambda: postgres_answers(self._administrator_url()),
            has_ended=child.has_ended,
            says=lambda: f"Postgres ({programs}) did not start: {child.last_words()}",
            within_seconds=60,
        )
        if is_new:
            prepare_role(self._administrator_url())
        return {"url": role_url(self._port), "control": {}}

    def stop(self) -> None:
        if self._child:
            self._child.stop(signal.SIGINT, within_seconds=30)  # "fast": ends sessions, writes a checkpoint

    def kill(self) -> None:
        if self._child:
            self._child.kill()

    def remove(self) -> None:
        if self._child:
            self._child.stop(signal.SIGQUIT, within_seconds=10)  # "immediate": the data is thrown away anyway
        shutil.rmtree(self._directory, ignore_errors=True)

    def _initialise(self, programs: Path, data: Path) -> None:
        data.mkdir(mode=0o700)
        self._account.own(data)
        done = subprocess.run(
            [programs / "initdb", "-D", data, "-U", ADMINISTRATOR, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd=data,
            env={"LC_ALL": "C", "TZ": "UTC"},
            user=self._account.uid,
            group=self._account.gid,
            extra_groups=self._account.extra_groups,
        )
        if done.returncode:
            shutil.rmtree(data, ignore_errors=True)
            raise ServiceUnavailable(
                f"initdb ({programs}) failed as user {self._account.name}: {' / '.join(done.stdout.split(chr(10))[-4:])}"
            )

    def _administrator_url(self) -> str:
        return f"postgresql://{ADMINISTRATOR}@127.0.0.1:{self._port}/postgres"
