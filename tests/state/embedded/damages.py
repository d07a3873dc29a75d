"""Damages to the data files of an embedded server, and the words that must name each of them."""

import os
from pathlib import Path

from state.redis.connection import pack

HALF = pack(["SET", "half", "x" * 100])[:60]


def commands_of(directory: Path) -> Path:
    return next((directory / "appendonlydir").glob("*.incr.aof"))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def add_zeros(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(4096))


def break_length(path: Path) -> None:
    data = path.read_bytes()
    at = data.index(b"$", len(data) // 2)
    path.write_bytes(data[:at] + b"$9" + data[at + 1 :])


def break_length_into_too_long(path: Path) -> None:
    data = path.read_bytes()
    at = data.index(b"$", len(data) // 2)
    path.write_bytes(data[:at] + b"$99999" + data[at + 1 :])


def remove(path: Path) -> None:
    path.unlink()


def remove_all(path: Path) -> None:
    for each in path.parent.iterdir():
        each.unlink()


def shorten_base(path: Path) -> None:
    base = next(path.parent.glob("*.base.rdb"))
    os.truncate(base, base.stat().st_size - 1)


def flip_base(path: Path) -> None:
    base = next(path.parent.glob("*.base.rdb"))
    data = bytearray(base.read_bytes())
    data[30] ^= 1
    base.write_bytes(data)


def empty_manifest(path: Path) -> None:
    os.truncate(path.with_name("appendonly.aof.manifest"), 0)


def fill_manifest_with_zeros(path: Path) -> None:
    path.with_name("appendonly.aof.manifest").write_bytes(bytes(88))


def remove_manifest(path: Path) -> None:
    path.with_name("appendonly.aof.manifest").unlink()


def remove_manifest_and_note(path: Path) -> None:
    remove_manifest(path)
    (path.parent.parent / "appendonly.synced").unlink()


def empty_manifest_without_note(path: Path) -> None:
    empty_manifest(path)
    (path.parent.parent / "appendonly.synced").unlink()


def remove_base(path: Path) -> None:
    next(path.parent.glob("*.base.rdb")).unlink()


def empty_note(path: Path) -> None:
    os.truncate(path.parent.parent / "appendonly.synced", 0)


def fill_a_line_of_the_note_with_zeros(path: Path) -> None:
    note = path.parent.parent / "appendonly.synced"
    *lines, last = note.read_bytes().splitlines(keepends=True)
    note.write_bytes(b"".join(lines) + bytes(len(last)))


DAMAGES = [
    (cut, r"incr\.aof has [\d,]+ bytes, but [\d,]+ bytes were on disk before, so the last 1 are lost"),
    (add_zeros, r"incr\.aof is damaged at byte [\d,]+ of [\d,]+"),
    (break_length, r"incr\.aof is damaged at byte [\d,]+ of [\d,]+"),
    (break_length_into_too_long, r"incr\.aof is damaged at byte [\d,]+ of [\d,]+"),
    (remove, r"incr\.aof is missing"),
    (remove_all, r"manifest is missing"),
    (empty_note, r"appendonly\.synced is damaged"),
    (fill_a_line_of_the_note_with_zeros, r"appendonly\.synced is damaged"),
]

# What is left after these damages cannot be read, even if the operator accepts the loss.
LOSSES = [
    (shorten_base, r"base\.rdb has [\d,]+ bytes, but [\d,]+ bytes were on disk before"),
    (flip_base, r"cannot read its data in .*RDB"),
    (remove_base, r"base\.rdb is missing"),
    (empty_manifest, r"manifest is damaged and does not name appendonly"),
    (fill_manifest_with_zeros, r"manifest is damaged and does not name appendonly"),
    (empty_manifest_without_note, r"cannot read its data in .*manifest"),
    (remove_manifest, r"manifest is missing"),
    (remove_manifest_and_note, r"manifest is missing"),
]
