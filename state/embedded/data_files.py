"""The append-only files of the embedded server, and a note of what was synced of them.

A server whose file lost its end would start as if nothing had happened, and csms would have acknowledged
transactions that do not exist. So the supervisor writes down, once a second, which files there are and how
long each is, and compares before the server starts. The server writes one base file and, after it, files of
commands. A rewrite replaces them by files with higher numbers.
"""

import errno
import os
import re
import stat
import time
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Literal, NamedTuple

from state.embedded.resp_walk import Walk, walk
from state.errors import StoreRefused

_LINE = re.compile(r"file (\S+) seq (\d+) type ([bih])(?: size (\d+))?")

type Note = tuple[DataFile, ...]


class DataFile(NamedTuple):
    name: str
    number: int
    kind: Literal["b", "i", "h"]
    """`b` is the base, `i` holds the commands after it, and `h` is a file that a rewrite has replaced."""
    size: int


class Cut(NamedTuple):
    """Torn bytes that were removed from the end of a file, and the file that keeps them, if any does."""

    file: str
    torn_bytes: int
    kept: str


class DataFiles:
    def __init__(self, directory: Path) -> None:
        self._files = directory / "appendonlydir"
        self._manifest = self._files / "appendonly.aof.manifest"
        self._note = directory / "appendonly.synced"
        self._torn = directory / "torn"

    def measure(self) -> Note:
        """Return the files that the server would read, with their present sizes.

        A rewrite may replace files now, so the manifest is read again until both readings are equal.
        Raises OSError.
        """
        while True:
            text = self._manifest.read_text()
            try:
                found = tuple(
                    each._replace(size=_size(self._files / each.name))
                    for each in parse(text)
                    if each.kind != "h"
                )
            except FileNotFoundError:
                if self._manifest.read_text() == text:
                    raise
                continue
            if self._manifest.read_text() == text:
                return found

    def write_note(self, note: Note) -> None:
        """Replace the note at once and for good. Raises OSError."""
        new = self._note.with_suffix(".new")
        with new.open("w") as file:
            for each in note:
                file.write(f"file {each.name} seq {each.number} type {each.kind} size {each.size}\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._note)

    def forget_note(self) -> None:
        """Remove the note. Raises StoreRefused."""
        try:
            self._note.unlink(missing_ok=True)
        except OSError as error:
            raise StoreRefused(f"{self._note} cannot be removed: {error.strerror}; remove it") from None

    def read_note(self) -> Note:
        """Return the note, which is empty if there is none: a release before this wrote none.

        Raises StoreRefused if there is a note that cannot be read.
        """
        try:
            text = self._note.read_text(errors="replace")
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StoreRefused(f"{self._note} cannot be read: {error.strerror}; {self._advice()}") from None
        note = parse(text)
        if len(note) != len(text.splitlines()) or not note:
            text = f"{self._note} is damaged, so csms does not know how long the data files were"
            raise StoreRefused(f"{text}; {self._advice()}")
        return note

    def prepare(self) -> Cut | None:
        """Compare the files with the note, and cut off what a crash left unfinished at the end.

        Only what is longer than the note can be cut off. Raises StoreRefused if the files are damaged, or if
        anything is missing that the note has.
        """
        note = self.read_note()
        if not note and not self._manifest.exists() and not self._has_orphans():
            return None
        found = self._measure_all()
        self._compare(note, found)
        last = next((each for each in reversed(found) if each.kind == "i"), None)
        if not note or last is None:
            return None
        noted = next((each.size for each in note if each.name == last.name), 0)
        return self._mend(last, noted, self._walk(last, noted))

    def judge(self, said: str) -> Cut | None:
        """Find out why the server does not load its files, and cut off what a crash left unfinished.

        `said` has the server's words. Raises StoreRefused.
        """
        note = {each.name: each.size for each in self.read_note()}
        if not note and not self._manifest.exists() and not self._has_orphans():
            raise StoreRefused(f"the embedded Valkey in {self._files.parent} does not start: {said}")
        found = self._measure_all()
        for each in found:
            if each.name.endswith(".aof"):
                walked = self._walk(each, 0)
                if walked.problem == "torn" and each == found[-1]:
                    return self._mend(each, note.get(each.name, 0), walked)
                if walked.problem:
                    raise self._damaged(each, walked.at)
        raise StoreRefused(
            f"the embedded Valkey cannot read its data in {self._files}: {said}; {self._advice(is_lost=True)}"
        )

    def accept_loss(self) -> list[Cut]:
        """Forget the note, and cut the commands after the last one before the damage.

        A missing file of commands counts as an empty one. Raises StoreRefused if nothing can be saved.
        """
        self.forget_note()
        if not self._manifest.exists() and not self._has_orphans():
            return []
        if self._manifest.exists():
            for each in parse(self._manifest.read_text(errors="replace")):
                if each.kind == "i":
                    (self._files / each.name).touch(mode=0o600)
        cuts: list[Cut] = []
        for each in self._measure_all():
            if each.kind == "i":
                walked = self._walk(each, 0)
                if cuts or walked.problem:
                    cuts.append(self._cut(each, 0 if cuts else walked.good))
        return cuts

    def _has_orphans(self) -> bool:
        """Return whether there are data files that the very first start of a server does not leave."""
        found = [path for path in self._files.glob("appendonly.aof.*.*.*") if path.is_file()]
        return any(".1.base." not in path.name and path.stat().st_size for path in found)

    def _measure_all(self) -> Note:
        try:
            return self.measure()
        except FileNotFoundError as error:
            is_lost = self._has_orphans() and not str(error.filename).endswith(".incr.aof")
            text = f"{error.filename} is missing, which the embedded Valkey needs"
            raise StoreRefused(f"{text}; {self._advice(is_lost=is_lost)}") from None
        except OSError as error:
            raise StoreRefused(f"{error.filename} cannot be read: {error.strerror}") from None

    def _compare(self, note: Note, found: Note) -> None:
        """Raise StoreRefused if `found` has less than `note`."""
        now = {each.name: each for each in found}
        base = max((each.number for each in found if each.kind == "b"), default=0)
        noted_base = max((each.number for each in note if each.kind == "b"), default=0)
        for each in note:
            path = self._files / each.name
            if each.name in now:
                size = now[each.name].size
                if size < each.size:
                    raise StoreRefused(
                        f"{path} has {size:,} bytes, but {each.size:,} bytes were on disk before, so the last"
                        f" {each.size - size:,} are lost; {self._advice(is_lost=each.kind == 'b')}"
                    )
            elif path.exists() and not base:
                raise StoreRefused(
                    f"{self._manifest} is damaged and does not name {path.name}; {self._advice(is_lost=True)}"
                )
            elif base <= noted_base:
                # A rewrite removes files only after it has written a base with a higher number.
                raise StoreRefused(
                    f"{path} is missing, which had {each.size:,} bytes before; {self._advice()}"
                )

    def _walk(self, file: DataFile, start: int) -> Walk:
        if file.size <= start:
            return Walk(file.size)
        with (
            (self._files / file.name).open("rb") as opened,
            mmap(opened.fileno(), 0, access=ACCESS_READ) as data,
        ):
            found = walk(data, start)
            # The note may have been taken in the middle of a command.
            return walk(data) if start and found.problem == "damaged" else found

    def _mend(self, file: DataFile, noted: int, found: Walk) -> Cut | None:
        if not found.problem:
            return None
        if found.problem == "damaged":
            raise self._damaged(file, found.at)
        if found.good < noted:
            raise self._damaged(file, found.at, f"{noted:,} bytes were on disk before")
        return self._cut(file, found.good)

    def _damaged(self, file: DataFile, at: int, said: str = "") -> StoreRefused:
        words = f" ({said})" if said else ""
        return StoreRefused(
            f"{self._files / file.name} is damaged at byte {at:,} of {file.size:,}{words}; {self._advice()}"
        )

    def _advice(self, *, is_lost: bool = False) -> str:
        """Say what to do. `is_lost` means that nothing can be saved without a backup."""
        directory = self._files.parent
        without_backup = (
            f"move {directory} elsewhere, so that csms up starts with an empty store"
            if is_lost
            else "start csms up once with --accept-lost-data and lose what is missing or damaged"
        )
        return (
            "csms serves nothing, because transactions that it acknowledged may be lost. Restore the data"
            " directory from a backup and lose what came after the backup. If there is no backup,"
            f" {without_backup}"
        )

    def _cut(self, file: DataFile, good: int) -> Cut:
        """Cut off the bytes after `good`, and keep them in a file of their own if the disk has room."""
        path = self._files / file.name
        kept = self._torn / f"{file.name}.{good}.{time.time_ns()}"
        try:
            self._torn.mkdir(mode=0o700, exist_ok=True)
            with path.open("rb") as source, kept.open("wb") as target:
                source.seek(good)
                while part := source.read(1 << 20):
                    target.write(part)
                os.fsync(target.fileno())
        except OSError:
            kept = Path()
        with path.open("r+b") as opened:
            opened.truncate(good)
            os.fsync(opened.fileno())
        return Cut(str(path), file.size - good, str(kept) if kept.name else "")


def has_shrunk(note: Note, found: Note) -> bool:
    """Return whether a file became shorter while the server ran, which the server itself never does."""
    sizes = {each.name: each.size for each in note}
    return any(each.size < sizes.get(each.name, 0) for each in found)


def _size(path: Path) -> int:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return found.st_size


def parse(text: str) -> Note:
    """Parse a manifest or a note, and leave out lines that have another form."""
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return tuple(
        DataFile(match[1], int(match[2]), match[3], int(match[4] or 0))  # type: ignore[arg-type] # By _LINE.
        for match in found
        if match
    )
