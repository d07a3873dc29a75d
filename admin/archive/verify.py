"""Reads a whole archive, and compares the files with the manifest and the index."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from admin.archive import index, manifest
from admin.archive.failures import ArchiveFailed
from admin.archive.files import read_places, sha256_of
from admin.archive.index import Found, Index
from admin.archive.manifest import Entry
from admin.archive.records import RecordUnreadable, decode_head

_HEAD = 1 << 16


@dataclass
class Total:
    files: int = 0
    records: int = 0


def verify(directory: Path, total: Total) -> Iterator[str]:
    """Yield each problem as a sentence, and count what was read. Raises ArchiveFailed or OSError."""
    if not (directory / manifest.NAME).exists():
        raise ArchiveFailed(f"{directory} has no archive: the file {manifest.NAME} is missing")
    listed = set[str]()
    with index.open_to_read(directory) as opened:
        for entry, _ in manifest.read(directory):
            total.files += 1
            total.records += entry.count
            listed.add(entry.file)
            yield from _verify_file(directory, entry, opened)
    for path in sorted(directory.glob("*/*/*.ndjson.gz")):
        if (name := str(path.relative_to(directory))) not in listed:
            yield f"{name}: the file is not in the manifest, so it does not count"


def _verify_file(directory: Path, entry: Entry, opened: Index) -> Iterator[str]:
    try:
        if sha256_of(directory / entry.file) != (entry.size, entry.sha256):
            yield f"{entry.file}: the content is not the one that was written"
            return
        count = 0
        for place, line in read_places(directory / entry.file):
            count += 1
            found = decode_head(line).transaction
            known = opened.find(entry.tenant, found.charge_point, found.id)
            expected = Found(entry.file, entry.sequence, place, sha256(line).digest())
            if known is None or (known.sequence <= entry.sequence and known != expected):
                yield f"{entry.file}: the index does not have {found.charge_point}.{found.id} as it is"
        if count != entry.count:
            yield f"{entry.file}: it has {count} records, and not {entry.count}"
    except FileNotFoundError:
        yield f"{entry.file}: the file is missing"
    except (ArchiveFailed, RecordUnreadable, OSError) as error:
        yield f"{entry.file}: {error}"
