import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.embedded.resp_walk import Walk, walk
from state.redis.connection import pack

commands = st.lists(
    st.one_of(
        st.lists(st.binary(max_size=300), min_size=2, max_size=6).map(pack),
        st.just(pack([b"MULTI"]) + pack([b"SET", b"k", b"v"]) + pack([b"EXEC"])),
        st.just(b"#TS:1795968179\r\n"),
    ),
    min_size=1,
    max_size=8,
)


@given(parts=commands)
def test_a_file_of_whole_commands_is_good_to_its_end(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert walk(data) == Walk(len(data))


@given(parts=commands, number=st.integers(0), at=st.integers(0))
def test_a_file_that_was_cut_anywhere_is_torn_after_its_last_whole_command_or_block(
    parts: list[bytes], number: int, at: int
) -> None:
    kept, torn = parts[: number % len(parts)], parts[number % len(parts)]
    good = sum(map(len, kept))
    found = walk(b"".join(kept) + torn[: 1 + at % (len(torn) - 1)])
    assert (found.good, found.problem) == (good, "torn")


@given(
    parts=commands, tail=st.sampled_from([b"\0", b"\0" * 5000, b"x", b"*0\r\n", b"*2\r\n:1\r\n", b"*-1\r\n"])
)
def test_bytes_that_begin_no_command_are_damage(parts: list[bytes], tail: bytes) -> None:
    good = sum(map(len, parts))
    assert walk(b"".join(parts) + tail).problem == "damaged"
    assert walk(b"".join(parts) + tail).good == good


@pytest.mark.parametrize("length", [b"$4", b"$6", b"$61", b"$600", b"$99999", b"$999999999", b"$x", b"$-5"])
def test_a_wrong_length_in_the_middle_of_a_file_is_damage_and_not_a_torn_end(length: bytes) -> None:
    command = pack([b"SET", b"key", b"value"])
    broken = command.replace(b"$5", length)
    found = walk(command * 3 + broken + command * 3)
    assert found == Walk(3 * len(command), "damaged", found.at)
    assert 3 * len(command) <= found.at < 5 * len(command)


def test_a_walk_may_begin_at_any_command() -> None:
    command = pack([b"SET", b"key", b"value"])
    assert walk(command * 3 + command[:5], len(command)) == Walk(3 * len(command), "torn", 3 * len(command))
