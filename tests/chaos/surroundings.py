"""Processes with few files, little memory, and clients that do not read."""

import resource
import socket
from contextlib import AsyncExitStack

import httpx
import trio

from tests.chaos.bench import Bench, leg
from tests.chaos.sessions import Sessions, sessions
from tests.support.charge_point_peer import charge_point, now
from tests.support.processes import cpu_s, resident_kib
from tests.system.central import Process

READERS = 20
FILES = 256


@leg(
    "admin-stop",
    criterion="SIGTERM to the admin process with 20 stalled readers of events: gone within 4 s.",
    minutes=1,
)
async def admin_stop(bench: Bench) -> None:
    """Open streams of events that nobody reads, fill them, and stop the admin process."""
    tenant = bench.central.tenant()
    async with (
        bench.central.second_admin(bench.central.valkey.url) as admin,
        bench.central.gateway() as gateway,
        AsyncExitStack() as stack,
    ):
        port = admin.ports["admin"]
        head = (
            f"GET /v1/tenants/{tenant.id}/events HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {tenant.api_key}\r\n\r\n"
        ).encode()
        for _ in range(READERS):
            stream = await stack.enter_async_context(await stalled_reader(port))
            await stream.send_all(head)
            assert b"200" in (await stream.receive_some(12))
        async with trio.open_nursery() as nursery:
            for number in range(5):
                url = tenant.url(gateway, f"e{number}")
                nursery.start_soon(chatter, url, bench.scaled(3_000, least=1_000))
        await trio.sleep(1)
        began = trio.current_time()
        admin.terminate()
        code = await trio.to_thread.run_sync(admin.child.wait, 60)
        took = trio.current_time() - began
    bench.figure("stalled readers, gone after, s", f"{READERS}, {took:.2f}")
    bench.require(took < 4, f"the admin process was gone only after {took:.1f} s")
    bench.require(code == 0, f"the exit code is {code}")


async def stalled_reader(port: int) -> trio.SocketStream:
    sock = trio.socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    await sock.connect(("127.0.0.1", port))
    return trio.SocketStream(sock)


async def chatter(url: str, count: int) -> None:
    """Report statuses, each of which is an event."""
    async with charge_point(url) as peer:
        for number in range(count):
            status = ("Available", "Preparing")[number % 2]
            payload = {"connectorId": 1, "errorCode": "NoError", "status": status, "info": "x" * 50}
            await peer.exchange("StatusNotification", payload | {"timestamp": now()})


@leg(
    "few-files",
    criterion="prlimit --nofile=256: /livez answers, no traceback loop.",
    minutes=1,
)
async def few_files(bench: Bench) -> None:
    """Let more charge points come than a gateway has files for."""
    tenant = bench.central.tenant()
    gateway = bench.central.start_gateway()
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
    try:
        await trio.to_thread.run_sync(gateway.wait_ready)
        cpu = cpu_s(gateway.pid)
        async with sessions(lambda id_: tenant.url(gateway, id_)) as live:
            first = [f"f{n}" for n in range(100)]
            await live.connect(first)
            bench.require(
                len(live.open) == 100, f"only {len(live.open)} of 100 sessions: {dict(live.refused)}"
            )
            with trio.move_on_after(20):
                await live.connect([f"f{n}" for n in range(100, 500)], 60)
            answered = 0
            for _ in range(10):
                answered += await asks_livez(gateway)
                await trio.sleep(0.5)
            bench.figure("sessions, refused", f"{len(live.open)}, {dict(live.refused)}")
            bench.figure("/livez answered, of 10", answered)
            bench.figure("CPU of the gateway, s", cpu_s(gateway.pid) - cpu)
            bench.require(answered == 10, f"/livez answered {answered} of 10 times")
            bench.require(set(first) <= set(live.open), "sessions ended")
            bench.require(len(live.open) < 500, "all came in, so nothing was tested")
            lines = (bench.central.directory / "gateways.log").read_text().splitlines()
            bench.figure("lines in the log", len(lines))
            bench.require(len(lines) < 200, f"the log has {len(lines)} lines, such as {lines[-1][:300]}")
    finally:
        await trio.to_thread.run_sync(gateway.stop)


async def asks_livez(gateway: Process) -> bool:
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(f"http://127.0.0.1:{gateway.ports['health']}/livez")).status_code == 200
    except httpx.HTTPError:
        return False


@leg(
    "memory-ceiling",
    criterion="Gateway memory ramped to 85 % of its limit: new handshakes 503, sessions stay, no kill.",
    minutes=2,
)
async def memory_ceiling(bench: Bench) -> None:
    """Connect charge points until the gateway has used 85 % of its memory."""
    tenant = bench.central.tenant()
    async with bench.central.gateway() as plain:
        empty_kib = resident_kib(plain.pid)
    limit_kib = round((empty_kib + bench.scaled(30_000, least=6_000)) / 0.85)
    async with (
        bench.central.gateway(limits__memory_bytes=limit_kib * 1024) as gateway,
        sessions(lambda id_: tenant.url(gateway, id_)) as live,
    ):
        most = 12_000
        for first in range(0, most, 100):
            await live.connect([f"m{n}" for n in range(first, first + 100)])
            if live.refused:
                break
        await wait_settled(live)
        open_then, used_kib = len(live.open), resident_kib(gateway.pid)
        bench.figure("sessions, refused", f"{open_then}, {dict(live.refused)}")
        bench.figure("memory at the first refusal, of the limit", f"{100 * used_kib / limit_kib:.0f} %")
        await live.connect(["late"])
        await trio.sleep(5)
        bench.require(set(live.refused) == {503}, f"handshakes got {dict(live.refused)}")
        bench.require("late" not in live.open or used_kib < 0.85 * limit_kib, "a late charge point came in")
        bench.require(used_kib < limit_kib, f"{used_kib} KiB of {limit_kib} were used")
        bench.require(not live.closed, f"{len(live.closed)} sessions ended")
        bench.require(gateway.child.poll() is None, "the gateway ended")


async def wait_settled(live: Sessions) -> None:
    """Wait until no connection is being opened."""
    seen = -1
    while seen != len(live.open) + live.refused.total():
        seen = len(live.open) + live.refused.total()
        await trio.sleep(1)
