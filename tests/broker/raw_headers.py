"""Header tables as bytes, for what pika would not write itself."""

import struct

import pika


class RawHeaders(pika.BasicProperties):  # type: ignore[misc]  # pika has no types
    """Properties of a message with a header table that is on the wire as it is given here, and a content type if there is one."""

    def __init__(self, table: bytes, content_type: str | None = None) -> None:
        super().__init__(content_type=content_type)
        self._table = table

    def encode(self) -> list[bytes]:
        if self.content_type is None:
            return [struct.pack(">H", self.FLAG_HEADERS), self._table]
        name = self.content_type.encode()
        return [struct.pack(">H", self.FLAG_CONTENT_TYPE | self.FLAG_HEADERS), bytes([len(name)]) + name, self._table]


def table(*entries: tuple[bytes, bytes]) -> bytes:
    """Return a table on the wire: of names, and values that begin with their kind."""
    content = b"".join(bytes([len(name)]) + name + value for name, value in entries)
    return struct.pack(">I", len(content)) + content


def nested(kind: bytes, levels: int) -> bytes:
    """Return a value of arrays (`A`) or tables (`F`) within one another."""
    value = b"V"
    for _ in range(levels):
        inner = value if kind == b"A" else b"\x01k" + value
        value = kind + struct.pack(">I", len(inner)) + inner
    return value
