"""Secrets: kept out of `repr`, encrypted at rest under FEEDLINE_SECRET_KEYS, the newest key first."""

import base64
import binascii
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from worker.errors import FeedlineError, UsageError


class Secret:
    """A text that does not print. `reveal()` is the one way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Vault:
    """Encrypts and decrypts what rests in Postgres.

    Every ciphertext is bound to its place (`connection:7:refresh_token`): moved to another row it is refused.
    Fernet has no associated data, so the place stands in front of the text and is compared on reading.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """*keys*: url-safe base64 of 32 bytes each, newest first. Raises UsageError for any other."""
        for number, key in enumerate(keys, 1):
            try:
                good = len(base64.urlsafe_b64decode(key)) == 32
            except (binascii.Error, ValueError):
                good = False
            if not good:
                raise UsageError(f"key {number} is not url-safe base64 of 32 bytes. Make one with: feedline settings --new-key")
        if not keys:
            raise UsageError("no key is given. Make one with: feedline settings --new-key")
        self._newest = Fernet(keys[0])
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def __repr__(self) -> str:
        return "Vault(…)"

    def seal(self, place: str, secret: Secret) -> bytes:
        return self._fernet.encrypt(f"{place}\0{secret.reveal()}".encode())

    def open(self, place: str, sealed: bytes) -> Secret:
        """Raises FeedlineError when no key fits, or when the ciphertext belongs to another place."""
        try:
            found, _, text = self._fernet.decrypt(sealed).decode().partition("\0")
        except InvalidToken as error:
            raise FeedlineError(
                f"{place} cannot be decrypted: none of FEEDLINE_SECRET_KEYS fits. Add the key that it was stored under."
            ) from error
        if found != place:
            raise FeedlineError(f"{place} holds the ciphertext of another row. Apply the connection file again.")
        return Secret(text)

    def renewed(self, sealed: bytes) -> bytes | None:
        """Return *sealed* under the newest key, bound to the same place; None when it is under that already.

        Raises: InvalidToken when no key fits.
        """
        try:
            self._newest.decrypt(sealed)
        except InvalidToken:
            return self._fernet.rotate(sealed)
        return None


def new_key() -> str:
    return Fernet.generate_key().decode()
