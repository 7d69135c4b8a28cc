"""Which system user a server runs as, and what that user can reach."""

import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """A system user to run a program as; `uid` None means: as we are."""

    name: str
    uid: int | None = None
    gid: int | None = None

    @property
    def extra_groups(self) -> list[int] | None:
        """What `subprocess` needs beside `uid` and `gid`: no rights left over from root's groups."""
        return None if self.uid is None else []

    def own(self, directory: Path) -> None:
        """Give *directory* to this user."""
        if self.uid is not None:
            shutil.chown(directory, self.uid, self.gid)

    def reaches(self, program: Path) -> bool:
        """Whether this user may run *program*: every folder above it must let strangers through."""
        return self.uid is None or all(_lets_strangers_through(place) for place in (program, *program.parents))


OURSELVES = Account("ourselves")


def unprivileged_account() -> Account:
    """Return ourselves, or, for root, somebody Postgres agrees to run as."""
    if os.geteuid() != 0:
        return OURSELVES
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    return Account("65534", 65534, 65534)


def private_directory(prefix: str) -> Path:
    """Make a folder for a server's data, outside the checkout, where a user with fewer rights than ours can reach it too."""
    place = Path(tempfile.gettempdir()).resolve()
    if os.geteuid() == 0 and not all(_lets_strangers_through(folder) for folder in (place, *place.parents)):
        place = Path("/var/tmp")  # noqa: S108 - mkdtemp below makes a name of its own in it
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    directory.chmod(0o711)
    return directory


def _lets_strangers_through(place: Path) -> bool:
    return bool(place.stat().st_mode & stat.S_IXOTH)
