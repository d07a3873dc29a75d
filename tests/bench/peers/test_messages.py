import json

from tests.bench.peers.messages import MASK, MESSAGES, Frame


def unmask(data: bytearray) -> bytes:
    """Return the message of a frame whose four bytes of the mask are the same."""
    length = data[1] & 0x7F
    header = 6 if length < 126 else 8
    assert len(data) - header == (length if length < 126 else int.from_bytes(data[2:4]))
    return bytes(byte ^ MASK for byte in data[header:])


def test_each_call_is_json_with_its_own_id_after_its_places_were_filled() -> None:
    for make in MESSAGES.values():
        for message in make(12):
            frame = Frame(message)
            first, second = (json.loads(unmask(frame.number(number))) for number in (7, 59_999))
            assert (first[0], first[1], second[1]) == (2, "000007", "059999")
            assert first[2] == second[2]


def test_a_stop_names_the_transaction_that_was_set() -> None:
    _, stop = map(Frame, MESSAGES["start-stop"](0))
    stop.set_transaction(42)
    assert json.loads(unmask(stop.number(1)))[3]["transactionId"] == 42


def test_a_timestamp_gets_seconds_below_sixty() -> None:
    frame = Frame(MESSAGES["status"](0)[0])
    for number in (0, 30_000, 59_999):
        timestamp = json.loads(unmask(frame.number(number)))[3]["timestamp"]
        assert 0 <= float(timestamp[17:-1]) < 60
