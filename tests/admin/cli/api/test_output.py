import json

import pytest

from admin.cli.api import output
from admin.cli.api.options import Form

HOSTILE = "\x1b]0;title\x07 [red]x[/red] \u202egnp.exe \x9b31m \n"


@pytest.fixture
def _on_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")


@pytest.mark.parametrize("form", ["table", "json"])
def test_texts_of_charge_points_cannot_control_the_terminal(
    form: Form, capsys: pytest.CaptureFixture[str]
) -> None:
    output.print_document(form, {"info": HOSTILE, "inner": [{"name": HOSTILE}]})
    output.print_event(form, ["info"], {"info": HOSTILE})
    output.warn(HOSTILE)
    printed = "".join(capsys.readouterr())
    assert "[red]x[/red]" in printed
    assert not set(printed) & {"\x1b", "\x07", "\u202e", "\x9b"}


def test_json_has_the_same_values_after_it_was_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"text": HOSTILE, "name": "Zoë 充电"})
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"text": HOSTILE, "name": "Zoë 充电"}
    assert "Zoë 充电" in line


@pytest.mark.usefixtures("_on_paper")
def test_a_table_that_a_program_reads_has_whole_values(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_rows("table", [{"id": "x" * 300, "on": True}, {"id": "b", "count": 0, "tags": ["a", "b"]}])
    heading, _, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == ["id", "on", "count", "tags"]
    assert first.split() == ["x" * 300, "yes"]
    assert second.split() == ["b", "0", "a,", "b"]


def test_a_document_becomes_a_table_of_its_members_and_a_table_for_each_list(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.print_document(
        "table", {"id": "CP", "boot": {"status": "Accepted"}, "connectors": [{"n": 1}, {"n": 2}]}
    )
    printed = capsys.readouterr().out
    assert [line.split() for line in printed.splitlines() if not line.startswith(" ─")] == [
        ["member", "value"],
        ["id", "CP"],
        ["boot.status", "Accepted"],
        ["connectors:"],
        ["n"],
        ["1"],
        ["2"],
    ]


def test_an_empty_list_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_rows("table", [])
    output.print_rows("json", [])
    assert capsys.readouterr().out == "none\n"


def test_each_object_in_an_inner_list_gets_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    troubles = [{"kind": "deaf", "since": "now"}, {"kind": "sloppy", "since": "then"}]
    item = {"charge_point": "CP", "troubles": troubles}
    output.print_rows("table", [item, {"charge_point": "B", "troubles": []}])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["charge_point", "troubles.kind", "troubles.since", "troubles"]
    assert rows[2:] == [["CP", "deaf", "now"], ["CP", "sloppy", "then"], ["B"]]
    assert output.cell(output.find(item, "troubles.kind")) == "deaf, sloppy"
