from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.correctness.notes import Notes, milliseconds, read_notes


def test_the_notes_of_several_processes_are_read_as_one(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for number, path in enumerate(paths):
        with Notes(path) as notes:
            notes.value("CP", 7, f"1970-01-01T00:00:00.00{number}Z")
            notes.value("CP", 7, f"1970-01-01T01:00:00.00{number}+01:00")
            notes.command(f"CP-{number}", "c-1", "Reset")
    noted = read_notes(paths)
    assert noted.values == {("CP", 7): {0, 1}}
    assert noted.commands == {("CP-0", "c-1"), ("CP-1", "c-1")}
    assert noted.full == frozenset()


def test_notes_are_bounded_and_say_what_was_not_noted(tmp_path: Path) -> None:
    with Notes(tmp_path / "a", most=2) as notes:
        for number in range(4):
            notes.value("CP", number, "1970-01-01T00:00:00Z")
        notes.command("CP", "c-1", "Reset")
    noted = read_notes([tmp_path / "a"])
    assert (len(noted.values), len(noted.commands), set(noted.full)) == (2, 1, {"values"})
    with Notes(tmp_path / "b", most=1) as notes:
        notes.command("CP", "c-1", "Reset")
    assert read_notes([tmp_path / "b"]).full == {"commands"}


def test_half_a_line_of_a_killed_process_is_left_out_and_a_damaged_line_is_an_error(tmp_path: Path) -> None:
    with Notes(tmp_path / "a") as notes:
        notes.command("CP", "c-1", "Reset")
        notes.command("CP", "c-2", "Reset")
    whole = (tmp_path / "a").read_bytes()
    (tmp_path / "b").write_bytes(whole[:-5])
    assert read_notes([tmp_path / "b"]).commands == {("CP", "c-1")}
    (tmp_path / "b").write_bytes(whole[5:])
    with pytest.raises(msgspec.DecodeError):
        read_notes([tmp_path / "b"])


def test_a_file_of_another_run_is_not_continued(tmp_path: Path) -> None:
    Notes(tmp_path / "a").close()
    with pytest.raises(FileExistsError):
        Notes(tmp_path / "a")


def test_a_long_message_id_of_a_central_system_is_cut(tmp_path: Path) -> None:
    with Notes(tmp_path / "a") as notes:
        notes.command("CP", "x" * 100_000, "y" * 100_000)
    assert (tmp_path / "a").stat().st_size < 300


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_with_a_zone_has_no_milliseconds(text: str) -> None:
    assert milliseconds(text) is None


@given(st.integers(0, 4_102_444_800_000))
def test_a_time_has_the_same_milliseconds_in_each_zone_and_precision(at_ms: int) -> None:
    seconds, rest = divmod(at_ms, 1000)
    days, second = divmod(seconds, 86_400)
    hour, minute, second = second // 3600, second // 60 % 60, second % 60
    day = date(1970, 1, 1) + timedelta(days)
    text = f"{day}T{hour:02}:{minute:02}:{second:02}.{rest:03}"
    assert milliseconds(text + "Z") == milliseconds(text + "000+00:00") == at_ms
