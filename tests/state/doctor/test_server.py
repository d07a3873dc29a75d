from hypothesis import given
from hypothesis import strategies as st

from state.doctor.findings import Finding
from state.doctor.server import judge_clock, judge_file, judge_latency, judge_memory, judge_server

GIB = 1 << 30


def memory(**info: int) -> dict[str, str]:
    return {
        finding.subject: finding.verdict for finding in judge_memory({k: str(v) for k, v in info.items()})
    }


def test_a_server_without_a_limit_of_memory_is_wrong_and_the_text_says_how_much_to_set() -> None:
    [limit, _] = judge_memory({"maxmemory": "0", "total_system_memory": str(10 * GIB), "used_memory": "1"})
    assert limit.verdict == "wrong"
    assert "6.0 GiB" in limit.text


def test_a_limit_of_memory_without_room_for_a_rewrite_is_a_warning() -> None:
    info = {"total_system_memory": 10 * GIB, "used_memory": GIB}
    assert memory(maxmemory=6 * GIB, **info)["maxmemory"] == "ok"
    assert memory(maxmemory=7 * GIB, **info)["maxmemory"] == "warning"


@given(used=st.integers(0, 2_000), limit=st.integers(1, 1_000))
def test_the_verdict_about_used_memory_follows_its_part_of_the_limit(used: int, limit: int) -> None:
    verdict = memory(maxmemory=limit, used_memory=used)["memory"]
    assert verdict == ("wrong" if used >= 0.95 * limit else "warning" if used >= 0.8 * limit else "ok")


def test_a_failed_write_or_rewrite_of_the_file_is_wrong() -> None:
    assert judge_file({"aof_last_write_status": "ok", "aof_last_bgrewrite_status": "ok"}).verdict == "ok"
    found = judge_file({"aof_last_write_status": "err", "aof_last_bgrewrite_status": "err"})
    assert found.verdict == "wrong"
    assert "the last write to the append-only file and the last rewrite of" in found.text


def test_the_verdict_about_the_clock_allows_for_the_round_trip() -> None:
    assert judge_clock(900, 1).verdict == "ok"
    assert judge_clock(-1_200, 1).verdict == "warning"
    assert judge_clock(1_200, 500).verdict == "ok"
    assert judge_clock(61_000, 1).verdict == "wrong"
    assert "behind" in judge_clock(-61_000, 1).text


@given(st.lists(st.floats(0, 1_000), min_size=1), st.lists(st.floats(0, 1_000), min_size=1))
def test_latencies_of_any_number_of_round_trips_are_judged(reads: list[float], writes: list[float]) -> None:
    read, write = judge_latency(reads, writes)
    assert read.verdict == "warning" or sorted(reads)[len(reads) * 99 // 100] <= 20
    assert write.verdict == "warning" or sorted(writes)[len(writes) * 99 // 100] <= 50


def server(**info: str) -> Finding:
    return judge_server({"role": "master", **info})


def test_a_replica_and_a_cluster_are_wrong() -> None:
    assert server(server_name="valkey", valkey_version="9.1.2").text == "Valkey 9.1.2, a primary"
    assert server(redis_version="7.0.15").verdict == "ok"
    assert "role is slave" in server(redis_version="7.0.15", role="slave").text
    assert "cluster-enabled" in server(redis_version="7.0.15", cluster_enabled="1").text
