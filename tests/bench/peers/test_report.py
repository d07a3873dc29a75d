from xml.etree import ElementTree as ET

from tests.bench.peers.report import make_plots, make_tables
from tests.bench.peers.results import Cell, Results


def results(*cells: Cell) -> Results:
    return Results(
        date="Nov 30 2026",
        machine="a machine",
        command="a command",
        versions={"trio": "1"},
        missing=["node"],
        titles={"csms": "csms", "trio": "limit: bare Trio"},
        stores={"csms": "facts", "trio": "nothing"},
        cells=list(cells),
    )


def cell(us: float, *, half_us: float | None = None, p99_ms: float | None = None) -> Cell:
    return Cell(
        "csms",
        "heartbeat",
        200,
        us=us,
        store_us=2.0,
        client_us=8.0,
        rate=1000.0,
        server_share=0.95,
        client_share=0.3,
        half_us=half_us,
        p50_ms=p99_ms and p99_ms / 2,
        p99_ms=p99_ms,
    )


def test_a_cell_is_the_median_of_its_rounds_with_the_lowest_and_the_highest() -> None:
    tables = make_tables(results(cell(10.0), cell(30.0), cell(11.0)))
    assert "| csms | facts | 11.0 (10.0 to 30.0) and 2.0 of the store |" in tables
    assert "3 of 3" in tables


def test_a_round_without_an_answer_at_half_of_the_rate_leaves_the_others() -> None:
    tables = make_tables(results(cell(10.0), cell(10.0, half_us=12.0, p99_ms=4.0)))
    assert "| csms | 10.0 / 12.0 |" in tables
    assert "| csms | 2.00 / 4.00 (500) |" in tables
    assert "nan" not in tables


def test_what_was_left_out_is_said_and_a_server_without_results_has_an_empty_cell() -> None:
    tables = make_tables(results(cell(10.0)))
    assert "Left out: node." in tables
    assert "| limit: bare Trio | nothing |  |" in tables


def test_a_plot_has_a_bar_for_each_server_and_number_of_connections() -> None:
    (drawing,) = make_plots(results(cell(10.0))).values()
    bars = [one for one in ET.fromstring(drawing).iter() if one.tag.endswith("rect")]
    assert len(bars) == 1 + 2
