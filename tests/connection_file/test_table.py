"""The mission's tables at `connection apply`: every option of every target is accepted, or refused on its own line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.connection_file import FileRefused, parse

WAYS = {
    "dont_map": "dont_map",
    "set_to_empty": "set_to_empty",
    "field": "{field: f}",
    "value": "{value: v}",
    "mapping_set": "{mapping_set: conditions, field: f}",
}
RULED = "{field: f, rules: [R]}"

# Section, target, ways, options; "must": a template that leaves the target out is refused. All take rules.
TABLE = """
publish_listings | sku                             | dont_map set_to_empty field value mapping_set |
publish_listings | title                           | must field value mapping_set                  |
publish_listings | product_id                      | dont_map set_to_empty field                   | ASIN, ISBN, UPC, EAN
publish_listings | quantity                        | dont_map set_to_empty field                   | 3-5 Business Days, 4-14 Business Days
publish_listings | item_condition                  | dont_map set_to_empty field value mapping_set |
publish_listings | condition_note                  | dont_map set_to_empty field value mapping_set |
sync_listings    | price                           | dont_map set_to_empty field value             |
sync_listings    | quantity                        | must field value                              |
sync_listings    | handling_time                   | dont_map set_to_empty field value             |
sync_listings    | condition_note                  | dont_map set_to_empty field value mapping_set |
get_orders       | reference_number                | must field value                              |
get_orders       | ordered_on                      | must field value mapping_set                  |
get_orders       | shipping_address.address_line_1 | dont_map set_to_empty field value mapping_set |
get_orders       | shipping_address.city           | dont_map set_to_empty field value mapping_set |
get_orders       | billing_address.city            | dont_map set_to_empty field value mapping_set |
get_orders       | invoice.total                   | dont_map set_to_empty field value             |
sync_orders      | carrier                         | must field value mapping_set                  |
sync_orders      | method                          | must field value mapping_set                  |
sync_orders      | tracking_number                 | must field                                    |
"""
ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in TABLE.strip().splitlines()]
REQUIRED = {section: [row[1] for row in ROWS if row[0] == section and "must" in row[2].split()] for section, *_ in ROWS}


def refused(section: str, target: str, spec: str | None) -> list[tuple[int, str]]:
    """Return line and code of each fault of a file whose template has *spec* for *target* on line 9, or leaves it out."""
    others = [f"{name}: {{field: f}}" for name in REQUIRED[section] if name != target]
    lines = [*([] if spec is None else [f"{target}: {spec}"]), *others]
    text = f"""version: 1
connections:
  - name: US
    marketplace_id: ATVPDKIKX0DER
    selling_partner_id: A1
    refresh_token: x
    {section}:
      template:
"""
    text += "".join(f"        {line}\n" for line in lines or ["{}"])
    if spec == RULED:
        text += f"rules: [{{name: R, when: [{{field: a, is: empty}}], then: [{{set: {target}, field: f}}]}}]\n"
    try:
        parse(text, environment={}, folder=Path())
    except FileRefused as fault:
        return [(each.line, each.issue.code) for each in fault.faults]
    return []


def cases() -> Iterator[tuple[str, str, str, list[tuple[int, str]]]]:
    for section, target, ways, options in ROWS:
        for way, spec in WAYS.items():
            yield section, target, spec, [] if way in ways.split() else [(9, "OPTION_REFUSED")]
        for option in options.split(", ") if options else []:
            yield section, target, f"{{option: {option}}}", []
        yield section, target, "{option: Other}", [(9, "OPTION_UNKNOWN" if options else "OPTION_REFUSED")]
        yield section, target, RULED, []


@pytest.mark.requirement(
    *("R33", "R34", "R35", "R36", "R37", "R38", "R39", "R40", "R41", "R42", "R43", "R44"),
    *("R53", "R54", "R55", "R72", "R73", "R74", "R75", "R82", "R83", "R84"),
)
@pytest.mark.parametrize(("section", "target", "spec", "expected"), list(cases()))
def test_a_target_takes_its_options_and_refuses_the_others_on_their_line(
    section: str, target: str, spec: str, expected: list[tuple[int, str]]
) -> None:
    assert refused(section, target, spec) == expected


@pytest.mark.parametrize(("section", "target", "ways"), [row[:3] for row in ROWS])
def test_a_template_may_leave_out_what_need_not_be_mapped(section: str, target: str, ways: str) -> None:
    assert refused(section, target, None) == ([(8, "TARGET_REQUIRED")] if "must" in ways.split() else [])
