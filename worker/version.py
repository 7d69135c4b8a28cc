"""Which Feedline this is."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


def version() -> str:
    """Return the installed version, or `unknown` for a bare checkout."""
    try:
        return installed("feedline")
    except PackageNotFoundError:
        return "unknown"
