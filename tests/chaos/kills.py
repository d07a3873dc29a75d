"""Processes that are killed under load: gateway workers, and the store with and without a torn file."""

import os
import shutil
import signal
from pathlib import Path

import httpx
import msgspec
import trio

from state.scripts import SCRIPTS
from state.store import StoreConfig, open_store
from tests.chaos.bench import Bench, leg
from tests.chaos.fleet import BRISK, fleet, judge
from tests.chaos.workers import Worker, workers
from tests.support.up_process import UpProcess, up
from tests.support.waiting import until

UNHURRIED = msgspec.structs.replace(BRISK, charge_s=(10.0, 40.0), pause_s=(2.0, 15.0))
HALF_A_COMMAND = b"*3\r\n$3\r\nSET\r\n$9\r\nhalf-a-co"


@leg(
    "gateway-kills",
    criterion="200 kills (-9) of gateway workers at random moments under load with 500 charge points that "
    "retry by specification, at least 20 of them between a write and its answer (counted by retried facts "
    "answered as replays): 0 acknowledged starts or stops missing, 0 duplicated, every logical transaction "
    "stored once.",
    minutes=15,
)
async def gateway_kills(bench: Bench) -> None:
    """Kill gateways at random moments, and some when the store has just written a fact of theirs."""
    kills, size = bench.scaled(200, least=4), bench.scaled(500, least=20)
    tenant = bench.central.tenant()
    async with (
        open_store(StoreConfig(url=bench.central.valkey.url)) as store,
        workers(bench, 3) as pool,
        fleet(
            bench,
            [f"k{n}" for n in range(size)],
            lambda id_: pool.url(tenant, id_),
            habits=UNHURRIED if size > 100 else BRISK,
        ) as running,
    ):
        await running.wait_connected()
        aimed = 0
        for number in range(kills):
            if number % 3 == 0:
                place, hit = await kill_before_the_answer(pool.places, number)
                aimed += hit
            else:
                await trio.sleep(bench.dice.uniform(0.1, 1.5))
                place = bench.dice.choice(pool.places)
                place.kill()
            await place.start()
            if number % 10 == 9:
                bench.say(f"{number + 1} kills, {running.connected} connected, {running.acknowledged} facts")
        killed_at = trio.current_time()
        await running.wait_connected(300)
        bench.figure("charge points, kills, of these aimed", f"{size}, {kills}, {aimed}")
        bench.figure("all connected again after the last kill, s", trio.current_time() - killed_at)
        ends = running.count("ends")
        bench.figure("ends of connections", dict(ends.most_common(6)))
        flapping = ends["refused with 429"]
        bench.require(not flapping, f"{flapping} handshakes were refused as flapping, because gateways died")
        async with tenant.api() as api:
            found = await judge(bench, running, api, store, tenant.id)
        least = bench.scaled(20)
        bench.require(found.replayed >= least, f"only {found.replayed} of {least} retried facts were replays")


async def kill_before_the_answer(places: list[Worker], number: int) -> tuple[Worker, bool]:
    """Kill the first gateway that gets no answer from the store for a fact that the store has.

    Returns the killed gateway, and whether there was such a fact within some seconds.
    """
    name = "transactions/start" if number % 2 else "transactions/stop"
    hit = trio.Event()
    armed = [place.proxy for place in places if place.proxy is not None]
    for proxy in armed:
        proxy.swallowing, proxy.swallow_from = hit, SCRIPTS[name].sha.encode()
    with trio.move_on_after(15):
        await hit.wait()
        await trio.sleep(0.05)  # The store needs a moment to execute the step.
    killed = next((place for place in places if place.proxy and place.proxy.replies.swallow), places[0])
    killed.kill()
    for proxy in armed:
        if proxy.replies.swallow:  # A gateway that lives on gets a new connection.
            proxy.cut()
        proxy.swallow_from, proxy.replies.swallow = None, False
    return killed, hit.is_set()


@leg(
    "store-kills",
    criterion="20 kills of Valkey, 5 with half a command appended to its file: 0 acknowledged lost.",
    minutes=5,
    central=False,
)
async def store_kills(bench: Bench) -> None:
    """Kill the embedded store under load, sometimes with a torn end of its file; csms starts it again."""
    kills, size = bench.scaled(20, least=2), bench.scaled(200, least=20)
    torn = {number for number in range(kills) if number % 4 == 1}
    with up(bench.directory / "data", "--workers", "2", "--drain-seconds", "1") as system:
        said = system.said
        base = said["ws"].replace("localhost", "127.0.0.1")
        async with fleet(
            bench,
            [f"v{n}" for n in range(size)],
            lambda id_: f"{base}/OCPP16/{said['tenant']}/{said['token']}/{id_}",
        ) as running:
            await running.wait_connected()
            for number in range(kills):
                await running.wait_acknowledged(size // 4)
                await trio.sleep(bench.dice.uniform(0.0, 1.0))
                await kill_store(system, bench.directory / "data" / "valkey", tear=number in torn)
                bench.say(f"{number + 1} kills, {running.acknowledged} facts")
            bench.figure("charge points, kills, of these torn", f"{size}, {kills}, {len(torn)}")
            bench.figure("connections that ended", running.connections - size)
            headers = {"Authorization": f"Bearer {said['api_key']}"}
            address = f"{said['admin']}/v1/tenants/{said['tenant']}"
            async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as api:
                await judge(bench, running, api, None, said["tenant"])
        bench.require(running.connections == size, "a session ended although only the store was killed")
        bench.require("Traceback" not in system.errors(), f"traceback: {system.errors()[-2000:]}")


async def kill_store(system: UpProcess, directory: Path, *, tear: bool) -> None:
    """Kill the store, and wait until its supervisor has started another one."""
    before = system.children()["valkey"]
    os.kill(system.pid, signal.SIGSTOP)  # The supervisor must not start another one before the file is torn.
    try:
        os.kill(before, signal.SIGKILL)
        await trio.sleep(0.05)
        if tear:
            with append_only_file(directory).open("ab") as file:
                file.write(HALF_A_COMMAND)
    finally:
        os.kill(system.pid, signal.SIGCONT)
    await until(lambda: system.children().get("valkey", before) != before)


def append_only_file(directory: Path) -> Path:
    """Return the file to which the server appends now, which is the last one by number."""
    found = sorted((directory / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)
    return found[-1]


@leg(
    "damaged-files",
    criterion="a file cut below the note, zeros at its end, a broken length: refused within 5 s, nothing "
    "served.",
    minutes=1,
    central=False,
)
async def damaged_files(bench: Bench) -> None:
    """Damage the file of a store that was killed, and start csms on it."""
    source = bench.directory / "source"
    with up(source, "--drain-seconds", "1") as system:
        said, base = system.said, system.said["ws"].replace("localhost", "127.0.0.1")
        async with fleet(
            bench, ["d0", "d1"], lambda id_: f"{base}/OCPP16/{said['tenant']}/{said['token']}/{id_}"
        ) as running:
            await running.wait_acknowledged(2)
        await trio.sleep(3)  # The note of the file's length is written each second.
    for name, damage in (("cut", cut), ("zeros", add_zeros), ("length", break_a_length)):
        data = bench.directory / name
        shutil.copytree(source, data, ignore=shutil.ignore_patterns("*.sock"))
        damage(append_only_file(data / "valkey"))
        await require_refused(bench, data, name)


def cut(file: Path) -> None:
    """Cut the file between two commands, so that nothing in it looks damaged."""
    data = file.read_bytes()
    file.write_bytes(data[: data.rindex(b"\r\n*", 0, len(data) // 2) + 2])


def add_zeros(file: Path) -> None:
    with file.open("ab") as end:
        end.write(bytes(4096))


def break_a_length(file: Path) -> None:
    data = file.read_bytes()
    at = data.index(b"\r\n$", len(data) // 2) + 3
    file.write_bytes(data[:at] + b"9" + data[at:])


async def require_refused(bench: Bench, data: Path, name: str) -> None:
    started, began = UpProcess(data, "--drain-seconds", "1"), trio.current_time()
    try:
        try:
            await until(lambda: started.process.poll() is not None, 20)
        except trio.TooSlowError:
            bench.figure(f"{name}: refused after, s", "never")
            bench.require(False, f"{name}: csms serves a damaged file")
            return
        took = trio.current_time() - began
        bench.figure(f"{name}: refused after, s", took)
        bench.require(took < 5, f"{name}: refused only after {took:.1f} s")
        bench.require(started.process.returncode not in {0, None}, f"{name}: the exit code is 0")
        assert started.process.stdout is not None
        bench.require(started.process.stdout.read() == b"", f"{name}: csms said that it was ready")
        words = started.errors()
        bench.say(words.strip()[-400:])
        bench.require("Traceback" not in words, f"{name}: no words, but a traceback")
    finally:
        started.close()
