import pytest

from ops.simulator.clock import Clock, amazon_time, parse_time
from tests.simulator.client import Client


def test_a_jump_moves_virtual_time_and_not_the_real_one() -> None:
    clock = Clock()
    clock.run(freeze=True)
    before = clock.now()

    clock.advance(3600)

    assert clock.now() == before + 3600
    assert clock.real_at(before + 1800) == pytest.approx(clock.real(), abs=1)


def test_virtual_instants_map_back_to_the_real_ones() -> None:
    clock = Clock(speed=60)
    start = clock.now()

    assert clock.real_at(start + 60) == pytest.approx(clock.real_at(start) + 1, abs=0.01)


def test_the_clock_may_start_anywhere_and_never_runs_backwards() -> None:
    clock = Clock(start=1_000_000.0)

    assert clock.now() == pytest.approx(1_000_000, abs=1)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="above zero"):
        clock.run(speed=0)


@pytest.mark.parametrize("text", ["2026-08-05T12:36:00Z", "2026-08-05T12:36:00+00:00", "2026-08-05T12:36:00 00:00", "2026-08-05T12:36:00"])
def test_amazons_times_are_read(text: str) -> None:
    moment = parse_time(text)

    assert moment is not None
    assert amazon_time(moment) == "2026-08-05T12:36:00+00:00"


def test_what_is_no_time_is_none() -> None:
    assert parse_time("soon") is None


def test_the_speed_can_be_changed_while_it_runs(client: Client) -> None:
    client.simulator.set_speed(120)
    client.simulator.freeze(frozen=False)

    clock = client.simulator.clock()

    assert (clock["speed"], clock["frozen"]) == (120, False)
