"""The connection file: what it says, and how it is refused."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from worker.connection_file import FileRefused, ParsedConnection, parse
from worker.core.connections import ConnectionEntry, ConnectionSettings
from worker.core.marketplaces import MARKETPLACES, Region
from worker.core.schedules import interval_seconds

HERE = Path(__file__).parent
SECRET = "Atzr|MARKED-SECRET"

MINIMAL = """
version: 1
connections:
  - name: US
    marketplace_id: ATVPDKIKX0DER
    selling_partner_id: A1SELLER
    refresh_token: Atzr|MARKED-SECRET
"""


def read(text: str, **environment: str) -> tuple[ParsedConnection, ...]:
    return parse(text, environment=environment, folder=HERE)


def one(further: str = "", **environment: str) -> ParsedConnection:
    """Return the minimal connection with *further* settings, indented as its own, and sections after `---`."""
    entry, _, rest = further.partition("---\n")
    return read(MINIMAL + "".join(f"    {line}\n" for line in entry.splitlines()) + rest, **environment)[0]


def faults(text: str, **environment: str) -> list[tuple[int, str, str | None]]:
    with pytest.raises(FileRefused) as refused:
        read(text, **environment)
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(refused.value)
    return [(fault.line, fault.issue.code, fault.issue.field) for fault in refused.value.faults]


def fault_of(further: str, **environment: str) -> tuple[str, str | None]:
    """Return code and field, within the connection, of the only fault that *further* causes."""
    entry, _, rest = further.partition("---\n")
    found = faults(MINIMAL + "".join(f"    {line}\n" for line in entry.splitlines()) + rest, **environment)
    assert len(found) == 1, found
    _, code, field = found[0]
    return code, field and field.removeprefix("connections[0].")


# --- what a file says --------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R1", "R2", "R5", "R10", "R21", "R23", "R31", "R63", "R91")
def test_four_settings_are_enough_and_the_others_have_their_defaults() -> None:
    parsed = one()

    settings = parsed.settings
    assert parsed.refresh_token.reveal() == SECRET
    assert (parsed.client_id, parsed.client_secret, parsed.paused) == (None, None, None)
    assert (settings.sku_prefix, settings.fulfillment_channel, settings.fba_quantity, settings.fba_guard) == ("", "DEFAULT", "send", True)
    assert (settings.timezone, settings.language_tag, settings.api) == ("UTC", None, "sp-api")
    assert (settings.import_listings.every, settings.import_listings.save) == (None, ("SKU", "Title"))
    assert (settings.publish_listings.requirements, settings.publish_listings.operation) == ("LISTING_OFFER_ONLY", "UPDATE")
    assert (settings.sync_listings.patch_op, settings.sync_listings.hide_out_of_stock) == ("merge", False)
    assert (settings.get_orders.every, settings.get_orders.event_personal_data) == ("15m", False)
    assert (settings.sync_orders.auto_detect_carrier, settings.sync_orders.carrier_profile) == (True, "flxpoint")
    assert sorted(settings.rules) == ["If no ASIN use UPC"]
    assert sorted(settings.mapping_sets) == ["conditions"]


def test_every_default_may_be_written_out() -> None:
    assert read((HERE / "defaults.yaml").read_text(), US_REFRESH_TOKEN="x")[0].settings == one().settings


def test_the_file_may_be_json() -> None:
    text = """{\n\t"version": 1, "connections": [{"name": "US \\ud83d\\ude00", "marketplace_id": "ATVPDKIKX0DER",
        "selling_partner_id": "A1\\/B", "refresh_token": "${T}", "sync_listings": {"template": {"quantity": {"value": 5.0}}}}]}"""

    parsed = read(text, T=SECRET)[0]

    assert parsed.settings.name == "US 😀"
    assert parsed.settings.selling_partner_id == "A1/B"
    assert str(parsed.settings.sync_listings.template["quantity"].value) == "5.0"
    assert parsed.refresh_token.reveal() == SECRET


def test_the_example_is_valid() -> None:
    example = HERE.parents[1] / "examples" / "connection.yaml"

    parsed = parse(example.read_text(), environment={"US_REFRESH_TOKEN": SECRET}, folder=example.parent)

    assert [each.settings.name for each in parsed] == ["US shop", "Canada shop"]


@pytest.mark.requirement("R4")
def test_secrets_come_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET + "\n")
    text = MINIMAL.replace(SECRET, "!file ${WHERE}") + "    application: {client_id: a, client_secret: '${PASS}-x'}\n"

    parsed = parse(text, environment={"WHERE": "token", "PASS": "p"}, folder=tmp_path)[0]

    assert parsed.refresh_token.reveal() == SECRET
    assert parsed.client_secret is not None
    assert parsed.client_secret.reveal() == "p-x"


@pytest.mark.requirement("R4")
def test_a_parsed_connection_does_not_print_its_secrets() -> None:
    assert SECRET not in repr(one())
    assert SECRET.encode() not in one().settings.to_json()


def test_what_comes_from_the_environment_stays_text_and_cannot_change_the_structure() -> None:
    parsed = one("sku_prefix: ${P}", P="{a: 1}")

    assert parsed.settings.sku_prefix == "{a: 1}"


def test_numbers_are_exact_and_texts_that_look_like_numbers_stay_texts() -> None:
    specs = "quantity: {field: q}, price: {value: 19.90}, a: {value: 012345678905}, b: {value: 1e5}, c: {value: NO}"

    template = one(f"sync_listings: {{template: {{{specs}}}}}").settings.sync_listings.template

    values = {name: spec.value for name, spec in template.items() if spec.value is not None}
    assert values == {"price": Decimal("19.90"), "a": "012345678905", "b": "1e5", "c": "NO"}
    assert str(values["price"]) == "19.90"


def test_anchors_and_merges_are_understood() -> None:
    text = """
version: 1
connections:
  - &us {name: US, marketplace_id: ATVPDKIKX0DER, selling_partner_id: A1, refresh_token: x, sku_prefix: AMZ-}
  - <<: *us
    name: US again
"""
    assert [(each.settings.name, each.settings.sku_prefix) for each in read(text)] == [("US", "AMZ-"), ("US again", "AMZ-")]


@pytest.mark.requirement("R3")
@pytest.mark.parametrize("marketplace_id", MARKETPLACES)
def test_every_known_marketplace_is_accepted(marketplace_id: str) -> None:
    assert read(MINIMAL.replace("ATVPDKIKX0DER", marketplace_id))[0].settings.marketplace_id == marketplace_id


@pytest.mark.requirement("R2", "R3")
def test_marketplaces_know_their_region_and_currency() -> None:
    known = {row.country: (row.region, row.currency) for row in MARKETPLACES.values()}

    assert known["US"] == (Region.NA, "USD")
    assert known["CA"] == (Region.NA, "CAD")
    assert known["DE"] == (Region.EU, "EUR")
    assert known["JP"] == (Region.FE, "JPY")


@pytest.mark.requirement("R31")
@pytest.mark.parametrize("channel", ["DEFAULT", "AMAZON_NA", "AMAZON_EU", "AMAZON_JP"])
def test_the_four_fulfillment_channels_can_be_chosen(channel: str) -> None:
    assert one(f"fulfillment_channel: {channel}").settings.fulfillment_channel == channel


@pytest.mark.requirement("R18")
@pytest.mark.parametrize("spec", ["{value: W1}", "{field: warehouse}"])
def test_a_fulfillment_center_is_a_value_or_a_field(spec: str) -> None:
    assert one(f"publish_listings: {{fulfillment_center_id: {spec}}}").settings.publish_listings.fulfillment_center_id is not None


@pytest.mark.parametrize(
    ("every", "seconds"),
    [("30s", 30), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("*/15 * * * *", None), ("0 9-17/2 1,15 JAN-JUN mon-FRI", None)],
)
def test_a_schedule_is_an_interval_or_a_cron_expression(every: str, seconds: int | None) -> None:
    assert one(f'get_orders: {{every: "{every}"}}').settings.get_orders.every == every
    assert interval_seconds(every) == seconds


def test_only_the_rules_and_mapping_sets_that_a_connection_uses_are_stored_with_it() -> None:
    parsed = one(
        """sync_listings: {template: {quantity: {field: q, rules: [used]}}}
publish_listings: {template: {title: {field: t}}}
---
mapping_sets:
  by_rule: {a: 1}
  unused: {a: 1}
rules:
  - {name: used, when: [{field: a, is: empty}], then: [{set: quantity, value: 0}]}
  - {name: unused, when: [{field: a, is: empty}], then: [{set: title, mapping_set: by_rule, field: a}]}
"""
    )

    assert sorted(parsed.settings.rules) == ["used"]
    assert sorted(parsed.settings.mapping_sets) == []


def test_a_key_of_a_mapping_set_may_be_any_text() -> None:
    sets = '"mapping_sets": {"m": {"\\ud83d\\ude00": "x", "5": "y", "true": "z"}}'
    template = '"publish_listings": {"template": {"title": {"mapping_set": "m", "field": "t"}}}'
    entry = '"name": "US", "marketplace_id": "ATVPDKIKX0DER", "selling_partner_id": "A1", "refresh_token": "x"'

    parsed = read(f'{{"version": 1, "connections": [{{{entry}, {template}}}], {sets}}}')[0]

    assert parsed.settings.mapping_sets["m"] == {"😀": "x", "5": "y", "true": "z"}
    assert ConnectionSettings.from_json(parsed.settings.to_json()) == parsed.settings


def test_a_file_may_override_what_is_built_in() -> None:
    parsed = one("---\nmapping_sets:\n  conditions: {Neu: new_new}\n")

    assert parsed.settings.mapping_sets == {"conditions": {"Neu": "new_new"}}


# --- how it is refused -------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R19", "R112")
def test_a_file_with_many_faults_is_refused_with_every_one_of_them_and_its_line() -> None:
    with pytest.raises(FileRefused) as refused:
        read((HERE / "faulty.yaml").read_text())

    assert str(refused.value) + "\n" == (HERE / "faulty.txt").read_text()


REFUSED: tuple[tuple[str, str, str | None], ...] = (
    ("sku_prefx: AMZ-", "KEY_UNKNOWN", "sku_prefx"),
    ("api: mws", "MWS_RETIRED", "api"),
    ("api: MWS", "MWS_RETIRED", "api"),
    ("api: soap", "SETTING_INVALID", "api"),
    ("fulfillment_channel: AMAZON_XX", "SETTING_INVALID", "fulfillment_channel"),
    ("fba_quantity: maybe", "SETTING_INVALID", "fba_quantity"),
    ("fba_guard: 'true'", "SETTING_INVALID", "fba_guard"),
    ("fba_guard: 1", "SETTING_INVALID", "fba_guard"),
    ("language_tag: english", "SETTING_INVALID", "language_tag"),
    ("timezone: Mars/Olympus", "TIMEZONE_UNKNOWN", "timezone"),
    ("timezone: ../../etc/passwd", "TIMEZONE_UNKNOWN", "timezone"),
    ('sku_prefix: "AMZ\\t"', "SETTING_INVALID", "sku_prefix"),
    ("sku_prefix: 5", "SETTING_INVALID", "sku_prefix"),
    ("paused: perhaps", "SETTING_INVALID", "paused"),
    ("application: {client_id: x}", "SETTING_INVALID", "application"),
    (
        "application: {client_id: x, client_secret: y, usage_plans: {createFeed: {rate: 0, burst: 1}}}",
        "SETTING_INVALID",
        "application.usage_plans.createFeed.rate",
    ),
    (
        "application: {client_id: x, client_secret: y, usage_plans: {creatFeed: {rate: 1, burst: 1}}}",
        "KEY_UNKNOWN",
        "application.usage_plans.creatFeed",
    ),
    ("import_listings: {feed_type: OTHER}", "SETTING_INVALID", "import_listings.feed_type"),
    ("import_listings: {save: [SKU, Price]}", "SETTING_INVALID", "import_listings.save[1]"),
    ("import_listings: {save: []}", "SETTING_INVALID", "import_listings.save"),
    ("import_listings: {save: [SKU, SKU]}", "SETTING_INVALID", "import_listings.save"),
    ("get_orders: {every: 15}", "SETTING_INVALID", "get_orders.every"),
    ("get_orders: {every: 0m}", "SCHEDULE_INVALID", "get_orders.every"),
    ("get_orders: {every: 15 minutes}", "SCHEDULE_INVALID", "get_orders.every"),
    ("get_orders: {every: 60 * * * *}", "SCHEDULE_INVALID", "get_orders.every"),
    ("get_orders: {every: '* * * * 8'}", "SCHEDULE_INVALID", "get_orders.every"),
    ("get_orders: {every: '5-1 * * * *'}", "SCHEDULE_INVALID", "get_orders.every"),
    ("get_orders: {every: '*/0 * * * *'}", "SCHEDULE_INVALID", "get_orders.every"),
    ("get_orders: {every: '* * 0 * *'}", "SCHEDULE_INVALID", "get_orders.every"),
    ("get_orders: {every: '0 2 30 2 *'}", "SCHEDULE_INVALID", "get_orders.every"),
    ("get_orders: {every: '0 0 2 * * *'}", "SCHEDULE_INVALID", "get_orders.every"),
    ("publish_listings: {fulfillment_center_id: {mapping_set: m, field: f}}", "OPTION_REFUSED", "publish_listings.fulfillment_center_id"),
    ("sync_listings: {template: {price: {field: p}}}", "TARGET_REQUIRED", "sync_listings.template"),
    ("sync_listings: {template: [price]}", "SETTING_INVALID", "sync_listings.template"),
    ("sync_listings: {template: {quantity: quantity}}", "SPEC_INVALID", "sync_listings.template.quantity"),
    ("sync_listings: {template: {quantity: {field: q, value: 1}}}", "SPEC_INVALID", "sync_listings.template.quantity"),
    ("sync_listings: {template: {quantity: {value: }}}", "SPEC_INVALID", "sync_listings.template.quantity"),
    ("sync_listings: {template: {quantity: dont_map}}", "OPTION_REFUSED", "sync_listings.template.quantity"),
    (
        "sync_listings: {template: {quantity: {field: q}, purchasable_offer: {field: o}}}",
        "TARGET_RESERVED",
        "sync_listings.template.purchasable_offer",
    ),
    ("sync_listings: {template: {quantity: {field: q}, listing: {field: x}}}", "TARGET_NO_ATTRIBUTE", "sync_listings.template.listing"),
    ("sync_listings: {template: {quantity: {field: q}, title: {field: t}}}", "TARGET_NO_ATTRIBUTE", "sync_listings.template.title"),
    (
        "sync_listings: {template: {quantity: {field: q}, weight.value: {field: w}}}",
        "TARGET_NO_ATTRIBUTE",
        "sync_listings.template.weight.value",
    ),
    (
        "publish_listings: {template: {title: {field: t}, weight.value: {field: w}}}",
        "TARGET_NO_ATTRIBUTE",
        "publish_listings.template.weight.value",
    ),
    (
        "publish_listings: {template: {title: {field: t}, currency: {field: c}}}",
        "TARGET_NO_ATTRIBUTE",
        "publish_listings.template.currency",
    ),
    ("sync_listings: {template: {quantity: {field: q}, a/b: {field: o}}}", "SETTING_INVALID", "sync_listings.template.a/b"),
    (
        "publish_listings: {template: {title: {field: t}, product_id: {option: GTIN}}}",
        "OPTION_UNKNOWN",
        "publish_listings.template.product_id",
    ),
    ("publish_listings: {template: {title: {field: t, rules: [Nope]}}}", "RULE_UNKNOWN", "publish_listings.template.title.rules[0]"),
    (
        "publish_listings: {template: {title: {field: t, rules: [If no ASIN use UPC]}}}",
        "RULE_WITHOUT_EFFECT",
        "publish_listings.template.title.rules[0]",
    ),
    (
        "publish_listings: {template: {title: {mapping_set: nope, field: t}}}",
        "MAPPING_SET_UNKNOWN",
        "publish_listings.template.title.mapping_set",
    ),
    ("sync_orders: {normalize: [{target: method, from: a, to: b}]}", "SETTING_INVALID", "sync_orders.normalize[0].target"),
    ("sync_orders: {normalize: [{target: carrier, from: a}]}", "KEY_MISSING", "sync_orders.normalize[0].to"),
    (
        'sync_orders: {normalize: [{target: carrier, from: a, to: "GLS\\u0001"}]}',
        "SETTING_INVALID",
        "sync_orders.normalize[0].to",
    ),
    (f"sync_orders: {{normalize: [{{target: carrier, from: a, to: {'C' * 51}}}]}}", "SETTING_INVALID", "sync_orders.normalize[0].to"),
    ("sku_prefix: !file secret", "SECRET_MISPLACED", "sku_prefix"),
    ("sku_prefix: !vault secret", "SETTING_INVALID", "sku_prefix"),
    ("sku_prefix: ${UNSET}", "VARIABLE_UNSET", "sku_prefix"),
    ("sku_prefix: A\n    sku_prefix: B".replace("    ", ""), "KEY_REPEATED", "sku_prefix"),
    ("sync_listings: {template: {quantity: {value: 1234567890123456789}}}", "NUMBER_OUT_OF_RANGE", "sync_listings.template.quantity.value"),
    ("---\nmapping_sets: {m: {a: }}\n", "SETTING_INVALID", "mapping_sets.m.a"),
    ('---\nmapping_sets: {m: {"a\\0": b}}\n', "SETTING_INVALID", "mapping_sets.m"),
    ("---\nrules: [{name: R, when: [], then: [{set: title, value: a}]}]\n", "SETTING_INVALID", "rules[0].when"),
    ("---\nrules: [{name: R, when: [{field: a}], then: [{set: title, value: a}]}]\n", "CONDITION_EMPTY", "rules[0].when[0]"),
    (
        "---\nrules: [{name: R, when: [{field: a, matches: '(?=a)'}], then: [{set: title, value: a}]}]\n",
        "PATTERN_INVALID",
        "rules[0].when[0].matches",
    ),
    ("---\nrules: [{name: R, when: [{field: a, is: empty}], then: [{set: titel, value: a}]}]\n", "TARGET_UNKNOWN", "rules[0].then[0].set"),
    (
        "---\nrules: [{name: R, when: [{field: a, is: empty}], then: [{set: title, mapping_set: m, field: a}]}]\n",
        "MAPPING_SET_UNKNOWN",
        "rules[0].then[0].mapping_set",
    ),
    (
        "---\nrules: [{name: R, when: [{field: a, is: empty}], then: [{set: title, value: a}, {set: title, value: b}]}]\n",
        "SETTING_INVALID",
        "rules[0].then",
    ),
    ("---\nversions: 1\n", "KEY_UNKNOWN", "versions"),
)


@pytest.mark.requirement("R1", "R3", "R19", "R21", "R23", "R31", "R41", "R42", "R43", "R46", "R53", "R54", "R55")
@pytest.mark.parametrize(("further", "code", "field"), REFUSED)
def test_a_wrong_setting_is_refused_where_it_stands(further: str, code: str, field: str | None) -> None:
    assert fault_of(further) == (code, field)


@pytest.mark.requirement("R4")
def test_a_fault_names_the_value_unless_it_is_a_secret() -> None:
    text = MINIMAL.replace(SECRET, "4711") + "    fulfillment_channel: AMAZON_XX\n    fba_quantity: ${TOKEN}\n"

    with pytest.raises(FileRefused) as refused:
        read(text, TOKEN=SECRET)

    assert [fault.issue.value for fault in refused.value.faults] == [None, "AMAZON_XX", None]
    assert "but is 'AMAZON_XX'" in str(refused.value)
    assert "4711" not in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.requirement("R1", "R5")
@pytest.mark.parametrize("key", ["name", "marketplace_id", "selling_partner_id", "refresh_token"])
def test_each_of_the_four_settings_is_required(key: str) -> None:
    text = re.sub(rf"{key}: .*", "sku_prefix: A", MINIMAL)

    assert faults(text) == [(4, "KEY_MISSING", f"connections[0].{key}")]


@pytest.mark.requirement("R1")
@pytest.mark.parametrize("name", ["''", "' US'", '"U\\nS"', "5", "x" * 129])
def test_a_name_is_a_printable_text(name: str) -> None:
    assert faults(MINIMAL.replace("name: US", f"name: {name}")) == [(4, "SETTING_INVALID", "connections[0].name")]


@pytest.mark.requirement("R1")
def test_a_name_is_used_once() -> None:
    again = MINIMAL + MINIMAL.partition("connections:\n")[2]

    assert faults(again) == [(8, "NAME_REPEATED", "connections[1].name")]


@pytest.mark.requirement("R3")
def test_an_unknown_marketplace_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FileRefused) as refused:
        read(MINIMAL.replace("ATVPDKIKX0DER", "ATVPDKIKX0DERX"))

    remedy = refused.value.faults[0].issue.remedy
    assert remedy is not None
    assert all(marketplace_id in remedy for marketplace_id in MARKETPLACES)


@pytest.mark.requirement("R41", "R42", "R43")
@pytest.mark.parametrize(
    ("listed", "action", "code"),
    [
        ("title: {field: t, rules: [R]}", "{set: title, set_to_empty: true}", "OPTION_REFUSED"),
        ("title: {field: t}, product_id: {option: ASIN, rules: [R]}", "{set: product_id, option: GTIN}", "OPTION_UNKNOWN"),
        ("title: {field: t}, quantity: {field: q, rules: [R]}", "{set: quantity, value: 5}", "OPTION_REFUSED"),
    ],
    ids=["a way", "an option", "allowed by another template"],
)
def test_a_rule_may_not_do_what_the_target_does_not_allow(listed: str, action: str, code: str) -> None:
    rule = f"rules: [{{name: R, when: [{{field: a, is: empty}}], then: [{action}]}}]\n"

    assert fault_of(f"publish_listings: {{template: {{{listed}}}}}\n---\n{rule}") == (code, "rules[0].then[0]")


def test_a_built_in_rule_that_a_file_overrides_is_told_on_its_own_line() -> None:
    rule = "rules:\n  - name: If no ASIN use UPC\n    when: [{field: asin, is: empty}]\n    then: [{set: product_id, value: x}]\n"

    assert faults(MINIMAL + rule) == [(11, "OPTION_REFUSED", "rules[0].then[0]")]


def test_connections_of_one_seller_give_the_same_credentials() -> None:
    again = MINIMAL.partition("connections:\n")[2].replace("name: US", "name: CA").replace("ATVPDKIKX0DER", "A2EUQ1WTGCTBG2")

    assert [each.settings.name for each in read(MINIMAL + again)] == ["US", "CA"]
    assert faults(MINIMAL + again.replace(SECRET, "another")) == [(11, "SELLER_DISAGREES", "connections[1].refresh_token")]


@pytest.mark.requirement("R4")
@pytest.mark.parametrize("value", ["!file /nonexistent", "!file .", "''", "", "[Atzr|MARKED-SECRET]", "12345", "${UNSET}"])
def test_a_refresh_token_that_is_none_is_one_fault(value: str) -> None:
    assert [line for line, *_ in faults(MINIMAL.replace(SECRET, value))] == [7]


@pytest.mark.requirement("R4")
def test_a_token_whose_variable_is_empty_is_told_to_be_empty() -> None:
    with pytest.raises(FileRefused, match=r"refresh_token: The setting is not valid: it is empty\."):
        read(MINIMAL.replace(SECRET, "${TOKEN}"), TOKEN="")


@pytest.mark.requirement("R4")
def test_an_empty_secret_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")

    with pytest.raises(FileRefused, match="token cannot be read: it is empty"):
        parse(MINIMAL.replace(SECRET, "!file token"), environment={}, folder=tmp_path)


@pytest.mark.requirement("R4")
@pytest.mark.parametrize("setting", ["marketplace_id", "api", "timezone", "language_tag", "get_orders", "fulfillment_channel"])
def test_a_secret_in_the_wrong_place_is_not_repeated_in_the_fault(setting: str) -> None:
    text = re.sub(rf"    {setting}: .*\n", "", MINIMAL) + f"    {setting}: ${{TOKEN}}\n"

    assert faults(text, TOKEN=SECRET)[0][2] == f"connections[0].{setting}"


@pytest.mark.requirement("R4")
@pytest.mark.parametrize(
    "further",
    [f"{setting}: {SECRET}" for setting in ("marketplace_id", "timezone", "fulfillment_channel", "language_tag")] + [f"{SECRET}: x"],
)
def test_a_token_that_is_written_where_none_belongs_is_not_repeated(further: str) -> None:
    text = MINIMAL.replace("    marketplace_id: ATVPDKIKX0DER\n", "") if further.startswith("marketplace_id") else MINIMAL

    assert [line for line, *_ in faults(f"{text}    {further}\n")] == [text.count("\n") + 1]


BROKEN: tuple[tuple[str, int, str], ...] = (
    ("", 1, "FILE_INVALID"),
    ("version: [1\nx: 2", 2, "FILE_INVALID"),
    ("version: 1\nx: *Atzr|MARKED-SECRET", 2, "FILE_INVALID"),
    ("version: 1\n---\nversion: 1", 2, "FILE_INVALID"),
    ("version: 1\nx: \x00", 2, "FILE_INVALID"),
    ("[" * 5000, 1, "TOO_DEEP"),
)


@pytest.mark.parametrize(("text", "line", "code"), BROKEN)
def test_broken_syntax_is_one_fault_with_its_line(text: str, line: int, code: str) -> None:
    assert faults(text) == [(line, code, None)]


@pytest.mark.parametrize("text", ["just text", "- a\n- b", "5", "~", "version: 2\nconnections: []", "a: &a [*a, *a]", "&a {a: *a, <<: *a}"])
def test_a_file_of_another_shape_is_refused_and_not_a_traceback(text: str) -> None:
    assert faults(text)


def test_aliases_cannot_multiply() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" if n else "l0: &l0 [x, x, x]\n" for n in range(9))

    assert faults(levels + "version: 1\n") == [(1, "FILE_INVALID", None)]


def test_the_stored_form_is_checked_as_strictly_as_the_file() -> None:
    settings = one().settings
    assert ConnectionSettings.from_json(settings.to_json()) == settings

    with pytest.raises(ValidationError):
        ConnectionSettings.from_json(settings.to_json().replace(b'"patch_op":"merge"', b'"patch_op":"other"'))
    assert "refresh_token" not in ConnectionEntry.model_fields
