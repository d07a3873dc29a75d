from pathlib import Path

import pytest

from gateway.service.machine import container_memory, read_used, total_memory


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/", {"memory.max": "1000\n"}, 1000),
        ("0::/pod/one", {"pod/one/memory.max": "max\n", "pod/memory.max": "2000\n"}, 2000),
        ("0::/pod/one", {"pod/one/memory.max": "1000\n", "pod/memory.max": "2000\n"}, 1000),
        ("5:cpu:/a\n4:memory:/a", {"memory/a/memory.limit_in_bytes": "3000\n"}, 3000),
        ("4:memory:/outside", {"memory/memory.limit_in_bytes": "3000\n"}, 3000),
        ("4:memory:/a", {"memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ("0::/", {"memory.max": "max\n"}, None),
        ("0::/", {}, None),
        ("", {}, None),
    ],
)
def test_the_smallest_limit_of_the_cgroups_of_the_process_is_the_memory_of_its_container(
    tmp_path: Path, groups: str, files: dict[str, str], limit: int | None
) -> None:
    write(tmp_path / "groups", groups)
    for name, text in files.items():
        write(tmp_path / "root" / name, text)
    assert container_memory(tmp_path / "groups", tmp_path / "root") == limit


def test_this_process_uses_memory_but_less_than_there_is() -> None:
    used = read_used()
    assert used is not None
    assert 1 << 20 < used.resident < min(total_memory(), used.address_space)
