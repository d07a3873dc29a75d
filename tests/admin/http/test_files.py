"""Lists as files: what the cells show, and which form a client gets."""

import csv
from collections.abc import AsyncGenerator
from io import StringIO

import msgspec
import pytest
from quart import Quart

from admin.downloads import Downloads
from admin.http.files import Csv, Form, JsonLines, Row, find_format, respond


class Item(msgspec.Struct):
    text: str | None
    number: int | None = None
    flag: bool = False


def row_of(item: Item) -> Row:
    return {"text": item.text, "number": item.number, "flag": item.flag}


CSV = Csv(("text", "number", "flag"), row_of)


def cells(*items: Item) -> list[list[str]]:
    text = (CSV.first() + CSV.write(items)).decode()
    return list(csv.reader(StringIO(text, newline=""), strict=True))


def test_a_csv_file_has_a_line_of_names_and_ends_each_line_as_rfc_4180_says() -> None:
    assert CSV.first() + CSV.write([Item("a", -5)]) == b"text,number,flag\r\na,-5,false\r\n"


@pytest.mark.parametrize("text", ["", "a,b", 'a"b', "a\r\nb", "a\nb", "ä€", " a ", "'=1"])
def test_a_csv_file_gives_back_any_text(text: str) -> None:
    assert cells(Item(text)) == [["text", "number", "flag"], [text, "", "false"]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_text_that_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe_but_a_number_does_not(
    text: str,
) -> None:
    assert cells(Item(text, -1, flag=True))[1] == [f"'{text}", "-1", "true"]


def test_a_text_that_utf_8_cannot_write_does_not_end_the_file() -> None:
    assert cells(Item("a\ud800b"))[1][0] == "a?b"


def test_an_absent_text_is_an_empty_cell() -> None:
    assert cells(Item(None))[1][0] == ""


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/csv", "csv"),
        ("application/x-ndjson", "jsonl"),
        ("application/jsonl, application/json;q=0.5", "jsonl"),
        ("text/html, application/json", "json"),
        ("image/png", "json"),
    ],
)
async def test_the_header_accept_decides_unless_the_parameter_says_more(accept: str, expected: str) -> None:
    app = Quart(__name__)
    async with app.test_request_context("/", headers={"Accept": accept}):
        assert find_format(None) == expected
        assert find_format("csv") == "csv"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (CSV, b"text,number,flag\r\na,,false\r\nb,,false\r\n"),
        (
            JsonLines(),
            b'{"text":"a","number":null,"flag":false}\n{"text":"b","number":null,"flag":false}\n',
        ),
    ],
)
async def test_a_file_has_all_parts_one_after_the_other(form: Form, expected: bytes) -> None:
    async def parts() -> AsyncGenerator[list[Item]]:
        yield [Item("a")]
        yield []
        yield [Item("b")]

    response = await respond(Downloads(1), parts(), form, "list", {"X": "y"})
    assert await response.get_data(as_text=False) == expected
    assert response.headers["Content-Disposition"] == f'attachment; filename="list.{form.suffix}"'
    assert response.headers["X"] == "y"
