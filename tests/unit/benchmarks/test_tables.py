"""Tables say what was measured, rank by it, and compare with the best peer only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import targets
from benchmarks.brokers import tables
from benchmarks.brokers.results import Divided, Load, Paced, Results, load_results
from benchmarks.floors.tables import sharing_of, sum_table
from benchmarks.floors.timing import Floor, processor
from benchmarks.floors.total import Sharing, floor_of
from benchmarks.markdown import figure, spread, table
from benchmarks.profile.tables import stage_table
from benchmarks.report import make_tables, places, put_in

LOAD = Load(1_000, 10, 20, 70, 5_000_000, 6_000_000, 400, 100, 50, 60, 8.0, 240.0)
PAGE = Path(__file__).parents[3] / "docs" / "performance.md"
NAMES = ("sign", "verify", "opener seal", "opener open", "wrap", "body seal", "body open", "digest", "leaf", "path")


def results() -> Results:
    return Results(
        "a machine",
        "alerts",
        {"Redis": "fsync", "Mosquitto": "none", tables.OURS: "fsync"},
        load={
            "Redis": [replace(LOAD, rate=100), replace(LOAD, rate=300)],
            "Mosquitto": [replace(LOAD, rate=150, broker_cpu=1)],
            tables.OURS: [replace(LOAD, rate=500, broker_cpu=9)],
        },
        paced={
            "Redis": [Paced(0.0, 20, 600, 5, 10, 12), Paced(0.5, 3, 90, 5, 11, 12)],
            tables.OURS: [Paced(0.0, 20, 600, 2, 6, 7), Paced(0.5, 8, 240, 2, 3, 4)],
        },
        caught_up={"Redis": [1.0], tables.OURS: [2.0]},
        waiting=10_000,
    )


def costs() -> list[Floor]:
    return [Floor(name, name, 10.0) for name in (*NAMES, "tls large out", "tls large in")]


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (99.96, "100.0"), (12.34, "12.3"), (1.234, "1.23"), (0, "0.00")]
)
def test_a_figure_has_the_digits_that_mean_something(value: float, text: str) -> None:
    assert figure(value) == text


def test_a_spread_is_median_least_and_most() -> None:
    assert spread([3.0, 1.0, 200.0]) == "3.00 (1.00–200)"
    assert spread([3.0]) == "3.00"


def test_a_table_is_markdown() -> None:
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n|---|---:|\n| x | 1 |\n"


def test_the_fastest_stands_first_and_the_ratio_is_to_the_best_peer() -> None:
    lines = tables.throughput(results()).splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == [
        tables.OURS, "Redis", "Mosquitto", f"{tables.OURS} ÷ best peer",
    ]  # fmt: skip
    assert lines[-1].split(" | ")[1] == "2.50"  # 500 against a median of 200
    assert lines[-1].split(" | ")[2] == "9.00"  # least is best: 9 against 1


def test_without_a_peer_there_is_no_ratio() -> None:
    alone = results()
    alone.load = {tables.OURS: alone.load[tables.OURS]}
    assert "÷" not in tables.throughput(alone)


def test_latencies_are_apart_by_rate() -> None:
    assert "| Redis | 5.00 | 10.0 | 12.0 |" in tables.latency(results())
    assert "| Redis | 50% | 3.00 | 90 | 5.00 | 11.0 | 12.0 |" in tables.latency_by_load(results())


def test_processor_time_at_that_rate_stands_beside_them_where_it_was_kept() -> None:
    made = results()
    assert "Redis" not in tables.latency_processor(made)
    made.paced["Redis"].append(Paced(0.0, 20, 600, 5, 10, 12, 10.0, 20.0, 30.0))
    made.paced["Redis"].append(Paced(0.5, 20, 600, 5, 10, 12, 99.0, 99.0, 99.0))
    made.paced[tables.OURS].append(Paced(0.0, 20, 600, 5, 10, 12, 30.0, 20.0, 130.0))
    lines = tables.latency_processor(made).splitlines()[2:]
    assert lines[0] == "| Redis | 10.0 | 20.0 | 30.0 | 60.0 |"
    assert lines[2] == f"| {tables.OURS} ÷ best peer | 3.00 | 1.00 | 4.33 | 3.00 |"


def test_more_processes_stand_below_one(tmp_path: Path) -> None:
    made = results()
    made.divided = {"Redis": [Divided(2, replace(LOAD, rate=900), Paced(0.0, 20, 600, 1, 2, 3))]}
    made.save(tmp_path)
    assert load_results(tmp_path) == made
    lines = tables.by_processes(load_results(tmp_path)).splitlines()[2:]
    assert [line.split(" | ")[:3] for line in lines] == [["| Redis", "1", "200 (100–300)"], ["| Redis", "2", "900"]]
    assert lines[1].endswith("| 1.00 | 2.00 | 3.00 |")
    assert "processes" in make_tables(tmp_path)
    assert "processes" in places(PAGE.read_text(encoding="utf-8"))


def test_resources_are_compared_too_but_not_with_nothing() -> None:
    made = results()
    made.load["Redis"] = [replace(LOAD, broker_memory=2_500_000, recipient_disk=0)]
    last = tables.resources(made).splitlines()[-1].split(" | ")
    assert last[0].startswith(f"| {tables.OURS} ÷")
    assert (last[1], last[5], last[6]) == ("2.00", "–", "2.00 |")


def test_a_broker_that_was_not_to_catch_up_has_a_dash() -> None:
    assert "| – |" in tables.resources(results())


def test_targets_are_ratios_and_say_whether_they_were_reached() -> None:
    text = targets.table_of(results(), costs(), None)
    assert "500 against 200 (Redis): 2.50 × | yes" in text
    assert "9.00 µs against 10.0 µs (Redis) | yes" in text  # Mosquitto is no measure
    assert "6.00 ms against 10.0 ms (Redis): 0.60 × | **no**" in text
    assert "at 99.0 µs a delivery no more than 20,202 a second" in text
    assert "twice the best peer leaves 5,000 µs" in text


def test_the_floor_shares_what_is_done_once() -> None:
    cost = {floor.name: floor.cost for floor in costs()}
    alone = floor_of(cost, Sharing(1, 1, 1, 0, 0))
    assert alone["hub"] == 10 * 3 + 10 * 2 + 10
    shared = floor_of(cost, Sharing(30, 1e9, 1e9, 0, 0))
    assert shared["hub"] == pytest.approx(1.0, rel=1e-6)
    assert shared["recipient"] == pytest.approx(60 + 10 / 10_000, rel=1e-6)  # each of them checks for itself


def test_every_byte_is_encrypted_once_and_decrypted_once() -> None:
    cost = dict.fromkeys((*NAMES, "tls large out", "tls large in"), 0.0) | {"tls large out": 16_384, "tls large in": 1}
    assert sum(floor_of(cost, Sharing(30, 1, 1, 100, 10)).values()) == pytest.approx(110 * (1 + 1 / 16_384))


def test_the_sum_says_how_far_we_are() -> None:
    sharing = sharing_of(results(), tables.OURS)
    assert sharing == Sharing(30, 8.0, 240.0, 400, 100)
    assert "| all |" in sum_table(costs(), sharing, results().load[tables.OURS])
    assert sharing_of(results(), "nobody") is None


def test_stages_add_up_and_the_unexplained_is_shown() -> None:
    text = stage_table(
        {"hub": {"signatures": 6.0, "unexplained": 2.0}, "sender": {"receipts": 8.0}}, {"hub": 1.0, "sender": 0.5}
    )
    assert "| all | 8.0 | 8.0 | 16.0 |" in text
    assert "| explained | 75% | 100% | 88% |" in text
    assert "garbage collection | 1.0 | 0.5 | 1.5 |" in text


def test_one_call_is_timed() -> None:
    assert processor("x", "x", lambda: sum(range(100))).cost > 0


def test_a_table_takes_the_place_of_the_one_before() -> None:
    page = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n<!-- begin y -->\nkept\n<!-- end y -->\n"
    assert put_in(page, {"x": "new\n"}) == page.replace("old", "new")
    with pytest.raises(KeyError, match="z"):
        put_in(page, {"z": ""})


def test_the_page_has_a_place_for_every_table(tmp_path: Path) -> None:
    results().save(tmp_path)
    made = make_tables(tmp_path)
    assert {"throughput", "targets", "machine"} <= set(made)
    page = PAGE.read_text(encoding="utf-8")
    assert set(made) | {"floors", "floor-sum", "node", "profile"} <= places(page)
    put_in(page, made)
