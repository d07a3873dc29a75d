"""Packing of messages into blocks, and the versions of the stored form."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.transactions import blocks
from state.transactions.blocks import Message, Slices
from tests.support import charging_messages

PACKED_BY_VERSION_1 = bytes.fromhex(
    "019bca3a8d61e2790606c685efc2e24e9c7d95c0788461c23486098c207ae2a43b0c1247188e08a027d2238cba601472"
    "84d10a8cf48ec8e24da1475a087808ad4ea04d8a05b9b3927c8750988441b687906f3bee683ea2434aea1a7506ba337c"
    "c97706966ae5881ab8d180bf660196fc7718c4a73142f2d934960967d95f81594c13b8a1b4102a7f221b235440034c33"
    "4f6080689d7496a5edcc96cf1247988c98264c639d7456d333e8e2dfd56799af1c619ebc946fc234c6894cffd88f304d"
    "660569e687183229e0ff2fb1234c971927c0dd80906363bed0709691eb088b9d8c1c5801139a029eef172e541f61b6d6"
    "9201c93243dd73e619d3114671a0c82406e63f6c4718bbe0664f0000"
)
"""A block as version 1 wrote it. Such blocks are in stores, so they must stay readable."""

_NUMBERS = st.one_of(
    st.integers(0, 10**20).map(str),
    st.integers(0, 9999).map(lambda number: f"{number:06}"),
    st.sampled_from(["", "0", "00", "007", "1.50", "-3", "1e5", "\u0663", "9" * 40]),
)
_LIKE_OTHERS = st.lists(_NUMBERS, min_size=2, max_size=2).map(
    lambda pair: f'1\n[{{"timestamp":"{pair[0]}","sampledValue":[{{"value":"{pair[1]}"}}]}}]'.encode()
)
_TEXTS = st.one_of(_LIKE_OTHERS, st.binary(max_size=60), st.sampled_from([b"", b"0", b"1\n[]"]))
_MESSAGES = st.lists(st.tuples(st.integers(-(2**50), 2**50), _TEXTS), max_size=40).map(
    lambda pairs: [Message(*pair) for pair in pairs]
)


def finish[T](slices: Slices[T]) -> T:
    while True:
        try:
            next(slices)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # The value of the return statement.


def pack(messages: list[Message]) -> bytes:
    return blocks.deflate(finish(blocks.encode(messages)))


def unpack(block: bytes) -> list[Message]:
    return finish(blocks.decode(blocks.inflate(block)))


def charging(count: int) -> list[Message]:
    return [Message(at_ms, b"1\n" + payload) for at_ms, payload in charging_messages.messages(count)]


@given(_MESSAGES)
def test_any_messages_come_out_of_a_block_as_they_were_put_in(messages: list[Message]) -> None:
    assert unpack(pack(messages)) == messages


def test_texts_that_are_long_or_have_many_numbers_or_many_forms_come_out_of_a_block_unchanged() -> None:
    forms = [f"{'x' * form}{number}".encode() for form in range(40) for number in range(5)]
    long = [b"1\n" + b"7," * length for length in (100, 499, 501, 9000) for _ in range(5)]
    messages = [Message(at_ms, text) for at_ms, text in enumerate([*forms, *long])]
    assert unpack(pack(messages)) == messages


def test_120_messages_of_a_charging_car_take_less_than_1_kib() -> None:
    messages = charging(120)
    assert sum(len(message.text) for message in messages) > 100_000
    assert len(pack(messages)) < 1024


def test_a_pause_within_a_transaction_costs_few_bytes() -> None:
    messages = charging(120)
    late = [
        Message(one.received_ms + 3_600_000 * (place > 60), one.text) for place, one in enumerate(messages)
    ]
    assert len(pack(late)) - len(pack(messages)) < 40


@pytest.mark.parametrize("count", [120, 256])
def test_the_work_of_a_block_is_cut_into_pieces(count: int) -> None:
    pieces = sum(1 for _ in blocks.encode(charging(count)))
    assert pieces >= 30


def test_blocks_of_version_1_stay_readable() -> None:
    assert unpack(PACKED_BY_VERSION_1) == charging(5)


def test_a_damaged_block_is_refused() -> None:
    block = pack(charging(10))
    for damaged in (b"", b"\x02" + block[1:], block[:-5], block[:1] + b"\xff" * 40):
        with pytest.raises(ValueError, match=r"version|damaged"):
            unpack(damaged)


def test_random_bytes_take_little_more_than_their_length() -> None:
    random = Random(7)
    messages = [Message(1_795_000_000_000 + 10 * n, random.randbytes(300)) for n in range(100)]
    block = pack(messages)
    assert unpack(block) == messages
    assert len(block) < 1.05 * 300 * 100
