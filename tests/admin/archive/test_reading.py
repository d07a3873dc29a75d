"""A record that is read in pieces gives the same messages as one that is read at once."""

from collections.abc import Sequence
from itertools import batched

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.archive import reading
from admin.archive.reading import read_some
from admin.archive.records import RecordUnreadable, decode
from state.transactions.stored_values import StoredValues
from state.transactions.unpacked_values import Rough
from tests.support.archives import a_line, a_transaction, a_value

# These payloads have what is between two messages of a record, as members and as a text.
_FORGED = {"received_ms": 1, "connector_id": 1, "of_stop": False, "values": [], "as_sent": None}
PAYLOADS = st.sampled_from(
    [
        b"[]",
        b'["\\ud83d\\ude00\\u0000"]',
        msgspec.json.encode([{"a": 1}, _FORGED, _FORGED]),
        msgspec.json.encode([msgspec.json.encode([{}, _FORGED]).decode()]),
    ]
)
VALUES = st.lists(
    st.builds(
        StoredValues,
        connector_id=st.none() | st.just(1),
        transaction_id=st.just("1"),
        received_ms=st.integers(0, 3),
        payload=PAYLOADS,
        of_stop=st.booleans(),
    ),
    max_size=12,
).map(lambda values: sorted(values, key=_rough))
BEGIN = st.none() | st.builds(Rough, st.booleans(), st.integers(0, 4))


def _rough(message: StoredValues) -> Rough:
    return Rough(message.of_stop, message.received_ms)


def _line(values: Sequence[StoredValues]) -> bytes:
    return a_line("demo", a_transaction(), 1, [values])


def _cut(line: bytes, size: int) -> list[bytes]:
    return [bytes(part) for part in batched(line, size, strict=False)]


@given(VALUES, BEGIN, st.integers(1, 5), st.integers(1, 500), st.integers(1, 2000))
def test_the_pieces_have_all_messages_of_the_place_and_more_than_a_page_of_those_behind_it(
    values: list[StoredValues], begin: Rough | None, most: int, chunk: int, piece: int
) -> None:
    line = _line(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "PIECE", piece)
        found = read_some(_cut(line, chunk), begin=begin, most=most, most_bytes=1 << 30)
    whole = decode(line)
    at = [one for one in whole.values if _rough(one) == begin]
    behind = [one for one in whole.values if begin is None or _rough(one) > begin]
    assert found == msgspec.structs.replace(whole, values=(*at, *behind[: most + 1]))


def test_messages_are_left_out_when_enough_bytes_of_payload_were_read() -> None:
    values = [a_value(b"[%d]" % number, received_ms=number) for number in range(9)]
    found = read_some([_line(values)], begin=Rough(of_stop=False, received_ms=2), most=100, most_bytes=7)
    assert [one.payload for one in found.values] == [b"[2]", b"[3]", b"[4]", b"[5]"]


@pytest.mark.parametrize("cut", [1, 2, 30, 300])
def test_a_record_that_is_cut_short_is_refused(cut: int) -> None:
    line = _line([a_value(b"[1]"), a_value(b"[2]")])
    with pytest.raises(RecordUnreadable, match="not a record"):
        read_some([line[:-cut]], begin=None, most=100, most_bytes=1000)


def test_a_part_that_is_too_long_is_refused_with_what_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 1)
    monkeypatch.setattr(reading, "_LONGEST", 100)
    line = _line([a_value(msgspec.json.encode([[_FORGED, {}, _FORGED] * 10]))])
    with pytest.raises(RecordUnreadable, match="csms archive read"):
        read_some(_cut(line, 50), begin=None, most=100, most_bytes=1000)
