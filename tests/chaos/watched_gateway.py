"""A gateway that notes what its heap holds: `python -m tests.chaos.watched_gateway DIRECTORY`.

The resident memory of a process alone does not tell a leak from free memory that the C library keeps, so a
thread writes every few seconds what is in use.
"""

import ctypes
import os
import runpy
import sys
import threading
import time
from pathlib import Path

import msgspec

EVERY_S = 5.0


class Heap(msgspec.Struct, frozen=True):
    """What the C library gave out and what it keeps free, in KiB, and the number of Python's small blocks.

    Python takes memory for small blocks in arenas from the system, so the C library does not count them.
    """

    used_kib: int
    free_kib: int
    blocks: int


class _Mallinfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def read_heap(directory: Path, pid: int) -> Heap:
    """Return what a gateway has noted last."""
    return msgspec.json.decode(_path(directory, pid).read_bytes(), type=Heap)


def _path(directory: Path, pid: int) -> Path:
    return directory / f"heap-{pid}.json"


def _watch(directory: Path) -> None:
    mallinfo = ctypes.CDLL(None).mallinfo2  # Only the GNU library has it, from 2.33 on.
    mallinfo.restype = _Mallinfo
    path = _path(directory, os.getpid())
    while True:
        found = mallinfo()
        heap = Heap((found.uordblks + found.hblkhd) // 1024, found.fordblks // 1024, sys.getallocatedblocks())
        path.with_suffix(".new").write_bytes(msgspec.json.encode(heap))
        path.with_suffix(".new").replace(path)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    threading.Thread(target=_watch, args=[Path(sys.argv.pop(1))], daemon=True).start()
    runpy.run_module("gateway", run_name="__main__", alter_sys=True)
