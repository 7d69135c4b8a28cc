"""A listings report, read as it comes: bytes in, SKUs and titles out, block by block, with the lines that are broken.

Nothing is decided before the end: a report that turns out not to be one, or not to be whole, raises `Unreadable`, and what was
read of it until then counts for nothing.
Source: Amazon's "Report type values" for GET_MERCHANT_LISTINGS_ALL_DATA; what sellers say of encodings, gzip and columns that move.
Requirement rows R22, R27; complaint 24.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from worker.core.issues import Issue, issue, shown
from worker.core.texts import unwanted_character

REPORT_TYPE: Final = "GET_MERCHANT_LISTINGS_ALL_DATA"

LONGEST_SKU: Final = 255
"""Characters. Amazon gives no SKU more than 40; a longer one is no reason to forget it."""

LONGEST_TITLE: Final = 2_000
"""Characters. Amazon's limit is 200 for most product types, and 500 for the rest."""

LONGEST_LINE_BYTES: Final = 8 * 1024 * 1024
"""A "line" that goes on for longer is no line of a report, which has some hundred bytes to a listing."""

MOST_BYTES: Final = 64 * 1024**3
"""Of the whole report, unpacked: a guard against a gzip stream that unpacks without an end."""

LONGEST_KEPT_LINE: Final = 2_000
"""Characters of a broken line that are kept for a person to look at."""

MOST_CELLS: Final = 200
"""Of a broken line that are looked at. Reports have some thirty columns."""

MOST_BROKEN_AT_FIRST: Final = 10_000
"""A report whose first lines are all broken, so many of them, is not read on: its header has other columns than its lines."""

BLOCK_BYTES: Final = 256 * 1024
"""How much is taken at once: enough to decode and split quickly, too little to be felt in memory."""

PROOF_LINES: Final = 100
"""After so many lines that are not UTF-8, and none that is, a report is not looked at line by line any more: it is slow."""

_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"


class Column(StrEnum):
    """The columns that are kept."""

    SKU = "seller-sku"
    TITLE = "item-name"


HEADERS: Final[Mapping[str, Column]] = {
    "seller-sku": Column.SKU,
    "item-name": Column.TITLE,
    # Japanese
    "出品者SKU": Column.SKU,
    "商品名": Column.TITLE,
}
"""Every name that a column goes by. Further languages are further rows."""

CHARSETS: Final[Mapping[str, str]] = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "cp1252": "cp1252",
    "windows-1252": "cp1252",
    # Who says Latin-1 means Windows' superset of it: the WHATWG encoding standard.
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-15": "iso8859-15",
    "cp932": "cp932",
    "windows-31j": "cp932",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
}
"""Charsets that a download may tell, and Python's codecs for them. In each of them tabs and line ends are bytes of their own."""


class Unreadable(Exception):
    """The report as a whole is refused: nothing of it counts. `issue` says why."""

    def __init__(self, found: Issue) -> None:
        super().__init__(f"{found.code}: {found.message} {found.remedy}")
        self.issue = found


class Row(NamedTuple):
    """A listing. `line`: its number in the report, the header being 1; `sku`: as Amazon has it; `title` None: the report has none.

    `is_damaged`: the title has characters that stand for others which an encoding did not have.
    """

    line: int
    sku: str
    title: str | None
    is_damaged: bool


class Flaw(StrEnum):
    """Why a line is broken."""

    COLUMNS = "it has another number of columns than the header"
    NO_SKU = "it has no SKU"
    SKU_UNREADABLE = "its SKU has characters that no SKU has"
    SKU_TOO_LONG = "its SKU is too long"
    TITLE_TOO_LONG = "its title is too long"


class Broken(NamedTuple):
    """A line that cannot be trusted. `beginning`: of the line; `mentions`: its cells that may be a SKU, which has not vanished then."""

    line: int
    flaw: Flaw
    beginning: str
    mentions: Sequence[str]

    @property
    def text(self) -> str:
        """The line's beginning, and of each cell its beginning, as it may be stored and shown."""
        return "\t".join(shown(cell) for cell in self.beginning.split("\t"))[:LONGEST_KEPT_LINE]


class Part(NamedTuple):
    """What one block of the report held, in its order."""

    rows: list[Row]
    broken: list[Broken]


def read(chunks: Iterable[bytes], *, charset: str | None, country: str) -> Iterator[Part]:
    """Read a report whose bytes come in *chunks* of any size, packed or not: its first bytes tell, not what was said of them.

    *charset*: what the download said of its encoding. A line that is UTF-8 proves it by itself; the others are read in the charset
    that was told, else in the one usual in *country* (as the header shows, where it has letters that tell).
    Columns go by name. Lines end with LF or CRLF; quotes mean nothing.
    Raises: Unreadable, also after some parts: when it is HTML or something else, has no SKU column, ends early, or only broken lines.
    """
    blocks = _blocks(_unpacked(chunks))
    first = next(blocks, b"").removeprefix(_BOM).lstrip(b"\r\n")
    header, end, rest = first.partition(b"\n")
    told = _codec(charset)
    text, fallback = _header(header, _candidates(told, country))
    layout = _layout(text)
    if not end:
        raise Unreadable(issue("REPORT_TRUNCATED", reason="its header breaks off"))
    decoder = _Decoder(fallback, is_told_utf8=told == "utf-8")
    number = 1
    has_rows, broken = False, 0
    for block in _with_first(rest, blocks):
        lines = decoder.lines(block)
        part = _part(lines, number + 1, layout)
        # A last line without its end may be a whole one; where it is not, the rest of the report is missing with its rest.
        if not block.endswith(b"\n") and lines and lines[-1].count("\t") != layout.tabs:
            raise Unreadable(issue("REPORT_TRUNCATED", reason=f"its last line, {number + len(lines)}, breaks off"))
        number += len(lines)
        has_rows, broken = has_rows or bool(part.rows), broken + len(part.broken)
        if not has_rows and broken >= MOST_BROKEN_AT_FIRST:
            raise Unreadable(issue("REPORT_UNREADABLE", reason=f"none of its first {broken} lines can be read"))
        yield part


def beginning(chunks: Iterable[bytes]) -> str:
    """Return the first line of a document, as it may be shown: of a report that failed it says why. Raises: Unreadable."""
    return shown(next(_blocks(_unpacked(chunks)), b"").partition(b"\n")[0].decode("utf-8", errors="replace").strip())


def _with_first(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from blocks


# --- bytes ----------------------------------------------------------------------------------------------------------------------


def _unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes of *chunks* without gzip, told by its first bytes. Raises: Unreadable when a gzip stream ends early."""
    chunks = iter(chunks)
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= len(_GZIP):
            break
    if not first.startswith(_GZIP):
        yield first
        yield from chunks
        return
    yield from _unzipped(first, chunks)


def _unzipped(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = _unpacker()
    packed: bytes | None = first
    while packed is not None:
        while packed:
            if unpacker.eof:  # gzip streams may follow one another, and are one content
                unpacker = _unpacker()
            yield _unpack(unpacker, packed)
            packed = unpacker.unused_data.lstrip(b"\0") if unpacker.eof else unpacker.unconsumed_tail
        packed = next(chunks, None)
    while tail := _unpack(unpacker, b""):
        yield tail
    if not unpacker.eof:
        raise Unreadable(issue("REPORT_TRUNCATED", reason="its gzip stream ends early"))


def _unpacker() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


def _unpack(unpacker: "zlib._Decompress", packed: bytes) -> bytes:
    try:
        return unpacker.decompress(packed, BLOCK_BYTES)
    except zlib.error:
        raise Unreadable(issue("REPORT_TRUNCATED", reason="its gzip stream is broken")) from None


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes of *chunks* in blocks of whole lines; only the last may lack its line's end. Raises: Unreadable."""
    waiting: list[bytes] = []
    size = total = 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        total += len(chunk)
        if total > MOST_BYTES:
            raise Unreadable(issue("REPORT_UNREADABLE", reason=f"it has more than {MOST_BYTES} bytes"))
        if size < BLOCK_BYTES or b"\n" not in chunk:
            if size > LONGEST_LINE_BYTES:
                raise Unreadable(issue("REPORT_UNREADABLE", reason=f"a line of it has more than {LONGEST_LINE_BYTES} bytes"))
            continue
        block = b"".join(waiting)
        end = block.rindex(b"\n") + 1
        yield block[:end]
        waiting, size = [block[end:]], len(block) - end
    rest = b"".join(waiting)
    if rest:
        yield rest


# --- the header -----------------------------------------------------------------------------------------------------------------


def _codec(charset: str | None) -> str | None:
    return None if charset is None else CHARSETS.get(charset.strip("\"' ").lower())


def _candidates(told: str | None, country: str) -> list[str]:
    """Return the encodings of what is not UTF-8, the likeliest first."""
    usual = ["cp932", "cp1252"] if country == "JP" else ["cp1252", "cp932"]
    return [each for each in dict.fromkeys([told, *usual]) if each is not None and each != "utf-8"]


def _header(line: bytes, candidates: Sequence[str]) -> tuple[str, str]:
    """Return the header, and the encoding in which its columns have names that we know: a seller's language may not be his country's."""
    for encoding in ("utf-8", *candidates):
        try:
            text = line.decode(encoding)
        except UnicodeDecodeError:
            continue
        if Column.SKU in _columns(text):
            # ASCII names say nothing of what follows.
            return text, candidates[0] if encoding == "utf-8" else encoding
    return line.decode("utf-8", errors="replace"), candidates[0]


class _Layout(NamedTuple):
    """`sku` and `title`: their columns, from 0; `tabs`: between the columns of a line."""

    sku: int
    title: int | None
    tabs: int


def _layout(header: str) -> _Layout:
    """Raises: Unreadable when this is no header of a listings report."""
    if not header.strip():
        raise Unreadable(issue("REPORT_UNREADABLE", reason="it is empty"))
    if header.lstrip().startswith(("<", "{")):
        raise Unreadable(issue("REPORT_UNREADABLE", reason=f"it is no table of tabs and lines; it begins with {shown(header.strip())}"))
    columns = _columns(header)
    if Column.SKU not in columns:
        raise Unreadable(issue("REPORT_UNREADABLE", reason=f"no column of it is named {Column.SKU}; its first line is {shown(header)}"))
    return _Layout(columns.index(Column.SKU), columns.index(Column.TITLE) if Column.TITLE in columns else None, len(columns) - 1)


def _columns(header: str) -> list[str]:
    return [_KNOWN.get(_plain(name), name) for name in header.split("\t")]


def _plain(name: str) -> str:
    """Return a column's name without what has been seen to vary: case, quotes, and how its words are joined."""
    return _JOINTS.sub("", name.strip("\ufeff\"' \r")).casefold()


_JOINTS: Final = re.compile(r"[\s_-]+")
_KNOWN: Final = {_plain(name): column for name, column in HEADERS.items()}


# --- text -----------------------------------------------------------------------------------------------------------------------


class _Decoder:
    """Decodes blocks, line by line where it must. It remembers which encoding the report has proved to have."""

    def __init__(self, fallback: str, *, is_told_utf8: bool) -> None:
        self._fallback = fallback
        self._utf8_lines, self._other_lines = int(is_told_utf8), 0

    def lines(self, block: bytes) -> list[str]:
        """Return the lines of *block*, without their ends."""
        try:
            text = block.decode("utf-8")
        except UnicodeDecodeError:
            if not self._utf8_lines and self._other_lines >= PROOF_LINES:
                return _split(block.decode(self._fallback, errors="replace"))
            return self._one_by_one(block)
        if not block.isascii():
            self._utf8_lines += 1
        return _split(text)

    def _one_by_one(self, block: bytes) -> list[str]:
        lines = block.removesuffix(b"\n").split(b"\n")
        decoded = [_utf8(line) for line in lines]
        other = decoded.count(None)
        self._other_lines += other
        self._utf8_lines += sum(not line.isascii() for line in lines) - other
        # In a report that is UTF-8 otherwise, such a line was cut or damaged: read in another encoding, it would be a wrong title
        # that looks like a good one.
        encoding = "utf-8" if self._utf8_lines >= self._other_lines else self._fallback
        return [
            (raw.decode(encoding, errors="replace") if text is None else text).removesuffix("\r")
            for raw, text in zip(lines, decoded, strict=True)
        ]


def _utf8(line: bytes) -> str | None:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _split(text: str) -> list[str]:
    # Not splitlines(): it also splits at characters that may stand in a title, as U+0085 and U+2028.
    return text.removesuffix("\n").replace("\r\n", "\n").removesuffix("\r").split("\n")


# --- lines ----------------------------------------------------------------------------------------------------------------------


def _part(lines: Sequence[str], number: int, layout: _Layout) -> Part:
    """Return what *lines* hold, the first of them being line *number* of the report. Empty lines are nothing."""
    rows: list[Row] = []
    broken: list[Broken] = []
    sku_at, title_at, tabs = layout
    picked = max(sku_at, title_at or 0) + 1
    for at, line in enumerate(lines, number):
        if line.count("\t") != tabs:
            if line:
                broken.append(_broken(at, Flaw.COLUMNS, line))
            continue
        cells = line.split("\t", picked)
        sku = cells[sku_at]
        title = "" if title_at is None else cells[title_at]
        flaw = _flaw(sku, title)
        if flaw is None:
            rows.append(Row(at, sku, _title(title), "?" in title or "\ufffd" in title))
        else:
            broken.append(_broken(at, flaw, line))
    return Part(rows, broken)


def _broken(at: int, flaw: Flaw, line: str) -> Broken:
    """Of a line that may have megabytes, only what is used is kept."""
    cells = line.split("\t", MOST_CELLS)[:MOST_CELLS]
    return Broken(at, flaw, line[:LONGEST_KEPT_LINE], [cell for cell in cells if 0 < len(cell) <= LONGEST_SKU and cell.isprintable()])


def _flaw(sku: str, title: str) -> Flaw | None:
    if not sku or sku.isspace():
        return Flaw.NO_SKU
    if "\ufffd" in sku or unwanted_character(sku) is not None:
        return Flaw.SKU_UNREADABLE
    if len(sku) > LONGEST_SKU:
        return Flaw.SKU_TOO_LONG
    return Flaw.TITLE_TOO_LONG if len(title) > LONGEST_TITLE else None


def _title(text: str) -> str | None:
    """Return a title as it may be stored: control characters are spaces."""
    if not text.isprintable() and unwanted_character(text) is not None:
        text = "".join(" " if unwanted_character(c) is not None else c for c in text)
    return text if text and not text.isspace() else None
