"""A listings report as a value: encodings, gzip, columns, broken lines, and what is refused as a whole."""

import gzip
import itertools
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.listings_report import LONGEST_LINE_BYTES, MOST_BROKEN_AT_FIRST, MOST_CELLS, Flaw, Part, Row, Unreadable, beginning, read

HEADER = "item-name\titem-description\tlisting-id\tseller-sku\tprice\tquantity\tstatus"
JAPANESE = "商品名\t出品ID\t出品者SKU\t価格\tステータス"


def line(sku: str, title: str) -> str:
    return f"{title}\tsome words\t0801A\t{sku}\t19.99\t5\tActive"


def report(*lines: str, header: str = HEADER, end: str = "\r\n") -> str:
    return "".join(each + end for each in (header, *lines))


def parts(content: bytes | Iterable[bytes], *, charset: str | None = None, country: str = "US") -> Part:
    """The whole report as one part."""
    found = list(read([content] if isinstance(content, bytes) else content, charset=charset, country=country))
    return Part([row for part in found for row in part.rows], [each for part in found for each in part.broken])


def listings(content: bytes | Iterable[bytes], **how: Any) -> list[tuple[str, str | None]]:
    return [(row.sku, row.title) for row in parts(content, **how).rows]


def refusal(content: bytes | Iterable[bytes]) -> Unreadable:
    with pytest.raises(Unreadable) as refused:
        parts(content)
    return refused.value


def in_pieces(content: bytes, size: int) -> Iterable[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


# --- columns --------------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R27")
@pytest.mark.parametrize("columns", list(itertools.permutations(["seller-sku", "item-name", "price"])))
def test_columns_go_by_name_wherever_they_stand(columns: tuple[str, ...]) -> None:
    cells = {"seller-sku": "A-1", "item-name": "Mug", "price": "1.00"}
    text = report("\t".join(cells[column] for column in columns), header="\t".join(columns))

    assert listings(text.encode()) == [("A-1", "Mug")]


@pytest.mark.requirement("R27")
@pytest.mark.parametrize(
    "header",
    [
        "Seller-SKU\tItem-Name",
        '"seller-sku"\t"item-name"',
        "seller_sku\titem_name",
        "Seller SKU\tItem Name",
        "sellerSku\titemName",
        " seller-sku \titem-name ",
    ],
)
def test_a_columns_name_may_vary_in_case_quotes_and_spaces(header: str) -> None:
    assert listings(report("A-1\tMug", header=header).encode()) == [("A-1", "Mug")]


def test_a_column_that_is_new_or_missing_changes_nothing() -> None:
    assert listings(report("x\tA-1\tMug", header="brand-new\tseller-sku\titem-name").encode()) == [("A-1", "Mug")]
    assert listings(report("A-1\t1.00", header="seller-sku\tprice").encode()) == [("A-1", None)]


@pytest.mark.requirement("R27")
@pytest.mark.parametrize(("encoding", "charset", "country"), [("cp932", None, "JP"), ("cp932", "Shift_JIS", "US"), ("utf-8", None, "JP")])
def test_japanese_columns_are_known(encoding: str, charset: str | None, country: str) -> None:
    content = report("青いカップ\t0801A\tJ-1\t1200\tActive", header=JAPANESE).encode(encoding)

    (found,) = parts(content, charset=charset, country=country).rows

    assert (found.sku, found.title, found.is_damaged) == ("J-1", "青いカップ", False)


def test_the_language_of_the_seller_shows_in_the_header_and_tells_the_encoding() -> None:
    content = report("青いカップ\t0801A\tJ-1\t1200\tActive", header=JAPANESE).encode("cp932")

    assert listings(content, country="US") == [("J-1", "青いカップ")]


# --- text -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R27")
@pytest.mark.parametrize("charset", [None, "Cp1252", "UTF-8", "ISO-8859-1", "Shift_JIS", "no-such-charset"])
@pytest.mark.parametrize("country", ["US", "JP"])
def test_what_is_utf_8_proves_it_whatever_was_told(charset: str | None, country: str) -> None:
    content = report(line("A-1", "Café “Blue” 青い")).encode()

    assert [(row.title, row.is_damaged) for row in parts(content, charset=charset, country=country).rows] == [("Café “Blue” 青い", False)]


@pytest.mark.requirement("R27")
@pytest.mark.parametrize(
    ("encoding", "charset", "country"),
    [
        ("cp1252", "Cp1252", "US"),
        ("cp1252", None, "DE"),
        ("cp1252", "UTF-8", "US"),
        ("cp1252", "Cp1252", "JP"),
        ("cp932", "Shift_JIS", "JP"),
        ("cp932", None, "JP"),
        ("cp932", "Shift_JIS", "US"),
    ],
)
def test_what_is_not_utf_8_is_read_as_was_told_else_as_is_usual_in_the_country(encoding: str, charset: str | None, country: str) -> None:
    titles = ["Größe “M” €", "Café"] if encoding == "cp1252" else ["青いカップ", "ﾏｸﾞｶｯﾌﾟ 白"]
    content = report(*(line(f"A-{number}", title) for number, title in enumerate(titles))).encode(encoding)

    assert [title for _, title in listings(content, charset=charset, country=country)] == titles


def test_a_byte_order_mark_is_not_a_part_of_a_columns_name() -> None:
    assert listings(report("A-1\tMüg", header="seller-sku\titem-name").encode("utf-8-sig")) == [("A-1", "Müg")]


def test_a_title_that_was_cut_within_a_letter_is_damaged_and_not_read_in_another_encoding() -> None:
    good = [line(f"A-{number}", "Müller") for number in range(3)]
    content = report(*good).encode() + line("A-9", "M").encode().replace(b"M\t", b"M\xc3\t") + b"\r\n"

    assert parts(content).rows[-1] == Row(5, "A-9", "M\ufffd", is_damaged=True)


@pytest.mark.parametrize(("title", "is_damaged"), [("Caf? Mug", True), ("Caf\ufffd Mug", True), ("Café Mug", False), ("Mug!", False)])
def test_a_title_with_a_sign_in_place_of_a_letter_is_marked(title: str, is_damaged: bool) -> None:
    assert parts(report(line("A-1", title)).encode()).rows == [Row(2, "A-1", title, is_damaged)]


def test_a_long_report_stays_in_the_encoding_that_it_has_proved_to_have() -> None:
    titles = [f"Größe {number}" for number in range(20_000)]
    content = report(*(line(f"A-{number}", title) for number, title in enumerate(titles))).encode("cp1252")

    assert [title for _, title in listings(in_pieces(content, 64 * 1024))] == titles


def test_quotes_and_characters_that_only_look_like_line_ends_mean_nothing() -> None:
    titles = ['6" Mug', '"quoted', "it's", "a\x85b", "a\u2028b", "a\x0bb", "back\\slash"]
    found = listings(report(*(line(f"A-{number}", title) for number, title in enumerate(titles))).encode())

    assert [title for _, title in found] == ['6" Mug', '"quoted', "it's", "a b", "a b", "a b", "back\\slash"]


def test_a_sku_keeps_its_case_and_its_spaces() -> None:
    assert [sku for sku, _ in listings(report(line("abc", "x"), line("ABC", "x"), line(" abc", "x")).encode())] == ["abc", "ABC", " abc"]


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_lines_end_either_way_and_empty_ones_are_nothing(end: str) -> None:
    content = report(line("A-1", "Mug"), "", line("A-2", "Cup"), "", end=end).encode()

    assert [(row.line, row.sku) for row in parts(content).rows] == [(2, "A-1"), (4, "A-2")]
    assert parts(content).broken == []


def test_a_last_line_without_its_end_counts_when_it_is_whole() -> None:
    assert listings(report(line("A-1", "Mug")).rstrip().encode()) == [("A-1", "Mug")]


def test_a_title_of_nothing_is_none() -> None:
    assert listings(report(line("A-1", ""), line("A-2", "  ")).encode()) == [("A-1", None), ("A-2", None)]


# --- gzip -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R27")
@given(data=st.data())
def test_packed_or_not_and_in_whatever_pieces_it_is_the_same_report(data: st.DataObject) -> None:
    titles = data.draw(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])), max_size=5))
    plain = report(*(line(f"A-{number}", title) for number, title in enumerate(titles))).encode()
    packed = data.draw(st.sampled_from([plain, gzip.compress(plain), gzip.compress(plain[:50]) + gzip.compress(plain[50:])]))

    size = data.draw(st.integers(1, len(packed)))

    assert parts(in_pieces(packed, size)) == parts(plain)
    assert len(parts(plain).rows) == len(titles)


def test_a_large_report_unpacks_in_small_pieces() -> None:
    content = gzip.compress(report(*[line("A-1", "Mug")] * 200_000).encode())

    sizes = [len(part.rows) for part in read([content], charset=None, country="US")]

    assert sum(sizes) == 200_000
    assert max(sizes) < 10_000


# --- broken lines ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("Mug\twords", Flaw.COLUMNS),
        (line("A-9", "Mug\twith a tab"), Flaw.COLUMNS),
        (line("", "Mug"), Flaw.NO_SKU),
        (line("  ", "Mug"), Flaw.NO_SKU),
        (line("A\x00B", "Mug"), Flaw.SKU_UNREADABLE),
        (line("A\ufffdB", "Mug"), Flaw.SKU_UNREADABLE),
        (line("A" * 300, "Mug"), Flaw.SKU_TOO_LONG),
        (line("A-9", "M" * 1024 * 1024), Flaw.TITLE_TOO_LONG),
    ],
)
def test_a_broken_line_is_counted_and_kept_and_the_others_are_read(text: str, flaw: Flaw) -> None:
    found = parts(in_pieces(report(line("A-1", "Mug"), text, line("A-2", "Cup")).encode(), 64 * 1024))

    assert [row.sku for row in found.rows] == ["A-1", "A-2"]
    ((number, why, beginning, mentions),) = found.broken
    assert (number, why, beginning) == (3, flaw, text[:2_000])
    assert list(mentions) == [cell for cell in text.split("\t") if 0 < len(cell) <= 255 and cell.isprintable()]
    assert len(found.broken[0].text) <= 2_000
    assert "\x00" not in found.broken[0].text


def test_a_line_of_nothing_but_columns_mentions_few_of_them() -> None:
    found = parts(in_pieces(report(line("A-1", "Mug"), "x\t" * 1024 * 1024).encode(), 64 * 1024))

    assert len(found.broken[0].mentions) == MOST_CELLS


def test_a_report_whose_header_has_other_columns_than_its_lines_is_not_read_to_its_end() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield report().encode()
        while True:
            taken += 1
            yield b"A-1\tMug\t19.99\tActive\tone more\ttwo\tthree\tfour\tfive\n" * 1_000

    with pytest.raises(Unreadable, match="none of its first"):
        parts(endless())
    assert taken < 2 * MOST_BROKEN_AT_FIRST // 1_000


# --- refused as a whole ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (b"\r\n", "it is empty"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>\n", "it begins with <!DOCTYPE html>"),
        (b"\n  <html>\n<body>\n", "it begins with <html>"),
        (b'{"errors": []}', "it begins with {"),
        (b"sku\tname\nA-1\tMug\n", "no column of it is named seller-sku"),
        (bytes(range(256)) * 100, "no column of it is named seller-sku"),
        (report(line("A-1", "Mug")).encode("utf-16"), "no column of it is named seller-sku"),
        (b"x" * (LONGEST_LINE_BYTES + 1), "a line of it has more than"),
    ],
)
def test_what_is_no_listings_report_is_refused_and_says_what_it_is(content: bytes, says: str) -> None:
    refused = refusal(in_pieces(content, 64 * 1024))

    assert refused.issue.code == "REPORT_UNREADABLE"
    assert says in str(refused)


@pytest.mark.parametrize("lost", [1, 4, 8, 9, 100])
def test_a_gzip_stream_that_ends_early_is_refused_as_a_whole(lost: int) -> None:
    content = gzip.compress(report(*(line(f"A-{number}", "Mug") for number in range(1000))).encode())

    assert refusal(content[:-lost]).issue.code == "REPORT_TRUNCATED"


def test_a_gzip_stream_that_is_damaged_is_refused_as_a_whole() -> None:
    content = bytearray(gzip.compress(report(*(line(f"A-{number}", "Mug") for number in range(1000))).encode()))
    content[len(content) // 2] ^= 0xFF

    assert refusal(bytes(content)).issue.code == "REPORT_TRUNCATED"


@pytest.mark.parametrize("keeps", [len(HEADER), len(HEADER) - 3, len(report(line("A-1", "Mug"))) + 20])
def test_a_text_that_breaks_off_is_refused_as_a_whole(keeps: int) -> None:
    content = report(line("A-1", "Mug"), line("A-2", "Cup")).encode()

    assert refusal(content[:keeps]).issue.code == "REPORT_TRUNCATED"


def test_a_header_alone_holds_nothing() -> None:
    assert parts(report().encode()) == Part([], [])


def test_why_a_report_failed_is_its_documents_first_line() -> None:
    assert beginning([b"No data.\r\nmore"]) == "No data."
    assert beginning([zlib.compress(b"No data.", wbits=31)]) == "No data."
    assert beginning([]) == ""
