"""A line gives back its parts, whether they are in memory or on disk."""

from hashlib import sha256
from pathlib import Path

import pytest

from admin.archive import lines
from admin.archive.lines import Line


@pytest.mark.parametrize("in_memory", [0, 7, 100])
def test_a_line_gives_back_its_parts_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    monkeypatch.setattr(lines, "_IN_MEMORY", in_memory)
    line = Line([b"abc", b"def"], tmp_path)
    line.append(b"ghi")
    for _ in range(2):
        assert b"".join(line.chunks()) == b"abcdefghi"
    assert (line.size, line.digest()) == (9, sha256(b"abcdefghi").digest())
    assert (len(list(line.chunks())) == 1) == (in_memory < 9)
    assert list(tmp_path.iterdir()) == []
    line.close()
