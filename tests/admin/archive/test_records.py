"""A record of the archive gives back the transaction and all its values."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.archive.records import Record, RecordUnreadable, decode
from state.transactions.listing import Transaction
from state.transactions.stored_values import StoredValues, place_of_values
from tests.support.archives import a_line, a_transaction, a_value

NUMBERS = st.integers(0, 2**53)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
).map(msgspec.json.encode)
AS_SENT = st.none() | st.dictionaries(TEXTS, NUMBERS, max_size=3).map(msgspec.json.encode)
VALUES = st.builds(
    StoredValues,
    connector_id=st.none() | NUMBERS,
    transaction_id=st.just("1"),
    received_ms=NUMBERS,
    payload=JSON,
    of_stop=st.booleans(),
    as_sent=AS_SENT,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    field.name: AS_SENT.map(lambda text: None if text is None else text.decode())
    if field.name in {"as_sent", "stop_as_sent"}
    else (TEXTS if field.required else st.none() | TEXTS)
    if "str" in str(field.type)
    else (NUMBERS if field.required or field.default == 0 else st.none() | NUMBERS)
    for field in msgspec.structs.fields(Transaction)
    if field.name != "id"
}
PAGES: st.SearchStrategy[list[list[StoredValues]]] = st.lists(
    st.lists(VALUES, min_size=1, max_size=3), max_size=3
) | st.just([[]])
TRANSACTIONS = st.builds(Transaction, id=st.just(1), **FIELDS)


@given(TEXTS, TRANSACTIONS, NUMBERS, PAGES)
def test_a_record_is_one_line_and_gives_back_everything(
    tenant: str, transaction: Transaction, finished_ms: int, pages: list[list[StoredValues]]
) -> None:
    line = a_line(tenant, transaction, finished_ms, pages)
    assert b"\n" not in line
    values = tuple(message for page in pages for message in page)
    assert decode(line) == Record(
        tenant=tenant, transaction=transaction, finished_ms=finished_ms, values=values
    )
    assert msgspec.json.decode(line)["id"] == f"{transaction.charge_point}.1"


def test_values_that_were_sent_on_several_lines_are_on_one_line_and_mean_the_same() -> None:
    sent = b'[{\r\n  "timestamp": "a\\nb",\n  "sampledValue": []\n}]'
    line = a_line("demo", a_transaction(), 1, [[a_value(sent)]])
    assert b"\n" not in line
    assert b"\r" not in line
    [message] = decode(line).values
    assert msgspec.json.decode(message.payload) == msgspec.json.decode(sent)


def test_a_message_keeps_its_place_in_the_pages_although_its_line_ends_are_gone() -> None:
    sent = [
        a_value(b'[{\n"timestamp": "a"}]'),
        a_value(b"[\r]", of_stop=True, connector_id=None),
        a_value(b"[1]", as_sent=b'{"a":\n1}'),
        a_value(b"[1]"),
    ]
    found = decode(a_line("demo", a_transaction(), 1, [sent])).values
    assert [place_of_values(one) for one in found] == [place_of_values(one) for one in sent]


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"format":1}', b'{"format":1,"tenant":"x"'])
def test_a_line_that_is_not_a_record_is_refused(line: bytes) -> None:
    with pytest.raises(RecordUnreadable, match="not a record"):
        decode(line)


def test_a_record_of_a_newer_format_is_refused_with_the_number_of_its_format() -> None:
    line = a_line("demo", a_transaction(), 1, []).replace(b'"format":1', b'"format":2')
    with pytest.raises(RecordUnreadable, match="format 2"):
        decode(line)


def test_a_member_of_a_transaction_that_this_release_does_not_know_is_ignored() -> None:
    line = a_line("demo", a_transaction(), 1, [])
    longer = line.replace(b'"transaction":{', b'"transaction":{"tariff":{"a":1},')
    assert longer != line
    assert decode(longer) == decode(line)
