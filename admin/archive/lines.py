"""A line of an archive in parts, which are kept in memory, or on disk if the line is long.

A charge point that sends nonsense may make a record of hundreds of megabytes, which must not fill the memory.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

_IN_MEMORY = 1 << 23
_CHUNK = 1 << 18


class Line:
    """A line without its end. The methods may block if the line is long."""

    def __init__(self, parts: Sequence[bytes] = (), directory: Path | None = None) -> None:
        self.size = 0
        self._parts: list[bytes] = []
        self._sha256 = sha256()
        self._directory = directory
        self._file: IO[bytes] | None = None
        for part in parts:
            self.append(part)

    def append(self, part: bytes) -> None:
        """Add a part. Raises OSError."""
        self.size += len(part)
        self._sha256.update(part)
        if self._file is None and self.size > _IN_MEMORY:
            # The file has no name, so that a crash leaves nothing behind.
            self._file = TemporaryFile(dir=self._directory)  # noqa: SIM115  The line closes it.
            self._file.writelines(self._parts)
            self._parts.clear()
        if self._file is None:
            self._parts.append(part)
        else:
            self._file.write(part)

    def digest(self) -> bytes:
        """Return the SHA-256 of the line."""
        return self._sha256.digest()

    def chunks(self) -> Iterator[bytes]:
        """Yield the whole line in parts. Raises OSError."""
        yield from self._parts
        if self._file is not None:
            self._file.seek(0)
            while chunk := self._file.read(_CHUNK):
                yield chunk

    def close(self) -> None:
        """Forget the line."""
        self._parts.clear()
        if self._file is not None:
            self._file.close()
