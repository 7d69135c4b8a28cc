"""The outcomes that the demo knows of (docs/guide/outcomes.md)."""

from typing import Final

ACCEPTED: Final = "accepted"
ACCEPTED_WITH_WARNINGS: Final = "accepted_with_warnings"
REJECTED: Final = "rejected"
INVALID: Final = "invalid"
SUPERSEDED: Final = "superseded"
UNCHANGED: Final = "unchanged"
SKIPPED: Final = "skipped"
