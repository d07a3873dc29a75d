import io
import time
from typing import Any

import pytest

from admin.cli.api import id_tag_rows
from admin.cli.api.id_tag_rows import IdTagRow, WrongRow
from admin.cli.failures import CommandRefused

STORED: dict[str, Any] = {
    "tag": "A1",
    "status": "Accepted",
    "expiry_date": "2030-01-31T00:00:00Z",
    "parent_id_tag": None,
    "max_active_transactions": 2,
}


def read(text: str) -> list[IdTagRow | WrongRow]:
    return list(id_tag_rows.read(io.StringIO(text, newline="")))


def read_one(text: str) -> IdTagRow | WrongRow:
    [row] = read(text)
    return row


def test_a_row_may_leave_out_all_columns_but_the_tag() -> None:
    row = read_one("tag\nA1\n")
    assert isinstance(row, IdTagRow)
    assert row.settings() == {
        "status": "Accepted",
        "expiry_date": None,
        "parent_id_tag": None,
        "max_active_transactions": None,
    }


@pytest.mark.parametrize(
    "text",
    [
        "tag,expiry_date,max_active_transactions\nA1,2030-01-31,2\n",
        "Tag;Max_Active_Transactions;Expiry_Date\r\nA1;2;2030-01-31T01:00:00+01:00\r\n\r\n;;\r\n",
        '"tag","parent_id_tag","status","expiry_date","max_active_transactions"\n" A1 ","","","2030-01-31",2',
    ],
)
def test_csv_of_several_programs_means_the_same(text: str) -> None:
    row = read_one(text)
    assert isinstance(row, IdTagRow)
    assert row.equals(STORED)


@pytest.mark.parametrize(
    "change",
    [
        {"tag": "a1"},
        {"status": "Blocked"},
        {"expiry_date": None},
        {"parent_id_tag": "P"},
        {"max_active_transactions": None},
    ],
)
def test_a_row_that_differs_in_any_member_is_sent(change: dict[str, Any]) -> None:
    row = read_one("tag,expiry_date,max_active_transactions\nA1,2030-01-31,2\n")
    assert isinstance(row, IdTagRow)
    assert not row.equals(STORED | change)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x" * 21 + ",,,,", "tag has 21 characters; OCPP 1.6 allows 1 to 20"),
        (",Blocked,,,", "tag has 0 characters"),
        ("a\x07,,,,", "cannot be printed"),
        ("a,accepted,,,", "status 'accepted' is unknown; write Accepted, Blocked, Expired or Invalid"),
        ("a,,31.01.2030,,", "expiry_date '31.01.2030' is not a time; write a day like"),
        ("a,,2030-01-31T08:00:00,,", "has no time zone"),
        ("a,,,,1.5", "max_active_transactions '1.5' is wrong; write a whole number up to 1000000"),
        ("a,,,,1000001", "max_active_transactions"),
        ("a,,,,²", "max_active_transactions"),
        ("a,,,", "the row has 4 cells, and row 1 has 5"),
        ("B,,,,", "row 2 has the same tag"),
    ],
)
def test_a_wrong_row_is_reported_with_its_number_and_the_reason(row: str, reason: str) -> None:
    heading = "tag,status,expiry_date,parent_id_tag,max_active_transactions"
    before, wrong, after = read(f"{heading}\nb,,,,\n{row}\nc,,,,\n")
    assert isinstance(before, IdTagRow)
    assert isinstance(wrong, WrongRow)
    assert isinstance(after, IdTagRow)
    assert (before.number, wrong.row, after.number) == (2, 3, 4)
    assert reason in wrong.reason


def test_a_row_that_is_wrong_does_not_claim_its_tag() -> None:
    _, right = read("tag,status\nA,wrong\nA,Blocked\n")
    assert isinstance(right, IdTagRow)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "must have the heading tag"),
        ("status\nBlocked\n", "must have the heading tag"),
        ("tag,tag\na,b\n", "each heading once"),
        ("tag,expiry\na,b\n", "did you mean expiry_date"),
        ("tag,colour\na,b\n", "the columns are tag, status"),
        ('tag\n"a"b\n', "near line 2"),
    ],
)
def test_a_file_that_is_no_list_of_tags_is_refused(text: str, error: str) -> None:
    with pytest.raises(CommandRefused, match=error):
        read(text)


def test_100_000_rows_are_read_in_a_few_seconds_of_processor_time() -> None:
    text = "tag,expiry_date\n" + "".join(f"T{number:08},2030-01-31\n" for number in range(100_000))
    began = time.process_time()
    assert len(read(text)) == 100_000
    assert time.process_time() - began < 20
