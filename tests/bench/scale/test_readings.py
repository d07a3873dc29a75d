import os
import subprocess
import sys

from tests.bench.scale.readings import (
    _read_busy_s,
    _read_children_s,
    _read_kernel_kib,
    _read_kib,
    _read_memory_kib,
)


def test_the_kernel_has_slabs_page_tables_and_the_buffers_of_sockets() -> None:
    meminfo = "MemTotal: 100 kB\nSlab:   30 kB\nPageTables: 5 kB\n"
    sockstat = "sockets: used 16\nTCP: inuse 3 orphan 0 tw 0 alloc 3 mem 4\nUDP: inuse 0 mem 9\n"
    assert _read_kernel_kib(meminfo, sockstat, 4) == 30 + 5 + 16


def test_busy_is_neither_idle_nor_waiting_for_a_disk() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    assert _read_busy_s("cpu  1 2 3 1000 500 4 5 77 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n") * ticks == 15


def test_a_name_is_not_taken_for_the_beginning_of_another() -> None:
    assert _read_kib("Pss_Dirty: 5 kB\nPss: 7 kB\n", "Pss") == 7


def test_this_process_has_memory() -> None:
    assert _read_memory_kib(os.getpid(), "Pss") > _read_memory_kib(os.getpid(), "Pss_Anon") > 1000


def test_a_child_that_ended_still_counts() -> None:
    before = _read_children_s(os.getpid(), [])
    subprocess.run([sys.executable, "-c", "while __import__('time').process_time() < 0.2: pass"], check=True)
    assert _read_children_s(os.getpid(), [1 << 30]) - before > 0.1
