import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state import compact

MESSAGE = (
    b'1\n[{"timestamp":"2026-05-01T12:34:56.000Z","sampledValue":[{"value":"1234117","context":"Sample.Periodic",'
    b'"measurand":"Energy.Active.Import.Register","location":"Outlet","unit":"Wh"},{"value":"10549.0",'
    b'"context":"Sample.Periodic","measurand":"Power.Active.Import","location":"Outlet","unit":"W"},'
    b'{"value":"16.48","context":"Sample.Periodic","measurand":"Current.Import","phase":"L1",'
    b'"location":"Outlet","unit":"A"}]}]'
)

STORED_BY_THE_FIRST_PROGRAM = (
    "01c391fe4c41e9cfd0c8cad8c4cad48c60fa333432363134341f90546868606a6249e794686241a7a4082c2000"
)


@given(st.binary(max_size=2000))
def test_a_packed_text_always_has_the_same_bytes_and_is_the_same_text_after_unpacking(text: bytes) -> None:
    assert compact.unpack(compact.pack(text)) == text
    assert compact.pack(text) == compact.pack(text)


def test_the_largest_message_can_be_packed_and_unpacked() -> None:
    text = MESSAGE * (65536 // len(MESSAGE))
    assert compact.unpack(compact.pack(text)) == text


def test_packing_makes_a_typical_message_at_least_seven_times_smaller() -> None:
    assert len(compact.pack(MESSAGE)) <= len(MESSAGE) / 7


def test_packed_meter_values_in_the_format_of_version_1_can_still_be_read() -> None:
    stored = bytes.fromhex(STORED_BY_THE_FIRST_PROGRAM)
    assert compact.unpack(stored) == MESSAGE


@given(st.binary(max_size=200))
def test_damaged_bytes_can_either_be_unpacked_or_raise_an_error_with_the_word_damaged(stored: bytes) -> None:
    why = "damaged"
    try:
        compact.unpack(b"\x01" + stored)
    except ValueError as error:
        why = str(error)
    assert "damaged" in why


@pytest.mark.parametrize("stored", [b"", b"\x00abc", b"\x02abc", b"[]"])
def test_unpacking_an_unknown_version_raises_an_error_with_the_word_version(stored: bytes) -> None:
    with pytest.raises(ValueError, match="version"):
        compact.unpack(stored)


def test_unpacking_a_compression_bomb_is_refused() -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflate.compress(b"\0" * (64 << 20)) + deflate.flush()
    with pytest.raises(ValueError, match="more than 1 MiB"):
        compact.unpack(b"\x01" + bomb)
