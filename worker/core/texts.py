"""Text that came from outside: what may be stored, shown and used as a key."""

import unicodedata
from typing import Final

_UNWANTED: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's control characters, surrogates, line and paragraph separators. NUL is one; Postgres stores it in no text."""


def unwanted_character(text: str) -> str | None:
    """Return the first character of *text* that no name, identifier or SKU may hold, as "U+0007", or None."""
    if text.isprintable():
        return None
    return next((f"U+{ord(c):04X}" for c in text if unicodedata.category(c) in _UNWANTED or _is_noncharacter(c)), None)


def _is_noncharacter(character: str) -> bool:
    return 0xFDD0 <= ord(character) <= 0xFDEF or ord(character) & 0xFFFE == 0xFFFE


def folded(text: str) -> str:
    """Return *text* without its spaces and its case: two texts that fold to the same are near misses of each other (R112)."""
    return "".join(text.split()).casefold()
