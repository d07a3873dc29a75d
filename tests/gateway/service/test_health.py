from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import httpx
import pytest
import trio
from prometheus_client import CollectorRegistry

from gateway.service import health
from gateway.service.health import serve_health
from gateway.service.metrics import LoopLag, Reading, build, new_registry
from state.histogram import Histogram
from tests.support.waiting import until


def counted() -> Iterator[Reading]:
    fast = Histogram((0.5, 1.0))
    fast.observe(0.5)
    fast.observe(2.0)
    yield Reading("csms_connections_total", "Connections.", 7)
    yield Reading("csms_refused", "Refused by status.", {"401": 2, "404": 0}, label="status")
    yield Reading("csms_open", "Open now.", 3, "gauge")
    yield Reading("csms_ends", "Ends.", {("tls", "left"): 4}, label=("phase", "outcome"))
    yield Reading("csms_seconds", "Seconds by action.", {"Heartbeat": fast}, "histogram", "action")


class Broken:
    def collect(self) -> Iterator[Reading]:
        raise RuntimeError("no")


@asynccontextmanager
async def serving(
    registry: CollectorRegistry | None = None,
    *,
    is_ready: list[bool] | None = None,
    trouble: str | None = None,
) -> AsyncIterator[int]:
    state = is_ready or [True]
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:

            async def serve(*, task_status: trio.TaskStatus[int]) -> None:
                await serve_health(
                    "127.0.0.1",
                    0,
                    ready=lambda: state[0],
                    trouble=lambda: trouble,
                    registry=registry or new_registry(),
                    task_status=task_status,
                )

            yield await nursery.start(serve)
            nursery.cancel_scope.cancel()


async def ask(port: int, path: str, method: str = "GET") -> httpx.Response:
    async with httpx.AsyncClient(verify=False) as client:
        return await client.request(method, f"http://127.0.0.1:{port}{path}")


async def test_the_readiness_probe_depends_on_the_state_of_the_process_but_liveness_does_not() -> None:
    ready = [True]
    async with serving(is_ready=ready) as port:
        assert (await ask(port, "/readyz")).status_code == 200
        ready[0] = False
        unready = await ask(port, "/readyz")
        assert (unready.status_code, unready.text) == (503, "not ready\n")
        assert (await ask(port, "/livez?verbose")).status_code == 200


async def test_the_probes_of_a_ready_process_say_what_is_wrong_with_its_store() -> None:
    async with serving(trouble="the store refuses writes: OOM") as port:
        for path in ("/livez", "/readyz"):
            answer = await ask(port, path)
            assert (answer.status_code, answer.text) == (200, "ok, but the store refuses writes: OOM\n")
    async with serving() as port:
        assert (await ask(port, "/readyz")).text == "ok\n"
    async with serving(is_ready=[False], trouble="the store is away") as port:
        assert (await ask(port, "/readyz")).text == "not ready: the store is away\n"


async def test_metrics_are_computed_when_they_are_scraped() -> None:
    lag = LoopLag()
    async with (
        serving(new_registry(partial(build, "1.0", 2), counted, lag.readings)) as port,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(lag.watch)
        await until(lambda: lag.beats >= 3)
        answer = await ask(port, "/metrics")
        nursery.cancel_scope.cancel()
    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "csms_connections_total 7.0" in lines
    assert 'csms_refused_total{status="401"} 2.0' in lines
    assert "csms_open 3.0" in lines
    assert 'csms_ends_total{outcome="left",phase="tls"} 4.0' in lines
    assert 'csms_seconds_bucket{action="Heartbeat",le="0.5"} 1.0' in lines
    assert 'csms_seconds_bucket{action="Heartbeat",le="+Inf"} 2.0' in lines
    assert 'csms_seconds_sum{action="Heartbeat"} 2.5' in lines
    assert any(line.startswith('csms_build_info{format="2",python="3') for line in lines)
    assert any(line.startswith('csms_event_loop_lag_seconds{quantile="p99"}') for line in lines)
    assert any(line.startswith("process_open_fds") for line in lines)
    (beats,) = (line for line in lines if line.startswith("csms_event_loop_beats_total "))
    assert float(beats.split()[1]) >= 3


async def test_the_health_port_refuses_all_other_paths_and_methods() -> None:
    async with serving() as port:
        assert (await ask(port, "/")).status_code == 404
        assert (await ask(port, "/livez", "POST")).status_code == 400
        head = await ask(port, "/livez", "HEAD")
        assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("sent", [b"", b"GET", b"\r\n\r\n", b"\0" * 20_000, b"GET  HTTP/1.1\r\n\r\n"])
async def test_the_health_port_stays_usable_after_junk_arrives_on_one_connection(sent: bytes) -> None:
    async with serving() as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            try:
                await stream.send_all(sent)
                await stream.send_eof()
                await stream.receive_some(1000)
            except trio.BrokenResourceError:
                pass  # The server may disconnect the client before the client has sent all.
        assert (await ask(port, "/livez")).status_code == 200


async def test_a_metric_that_raises_an_error_does_not_stop_the_health_port() -> None:
    registry = CollectorRegistry()
    registry.register(Broken())  # type: ignore[arg-type]  # It fails before it yields anything.
    async with serving(registry) as port:
        with pytest.raises(httpx.HTTPError):
            await ask(port, "/metrics")
        assert (await ask(port, "/livez")).status_code == 200


async def test_the_health_port_limits_how_many_silent_clients_it_has_and_how_long_they_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "_DEADLINE_S", 0.5)
    async with serving() as port:
        silent = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(40)]
        # Connections beyond the limit are closed at once, and the other connections when their time is over.
        for stream in silent:
            with suppress(trio.BrokenResourceError):
                assert await stream.receive_some(1) == b""
            await stream.aclose()
        assert (await ask(port, "/livez")).status_code == 200


async def test_an_occupied_health_port_is_reported_in_one_clear_line() -> None:
    async with serving() as port:
        with pytest.raises(
            OSError, match=rf"^cannot listen for probes on 127\.0\.0\.1:{port}: .*in use; choose"
        ):
            await serve_health(
                "127.0.0.1", port, ready=lambda: True, trouble=lambda: None, registry=CollectorRegistry()
            )
