"""`csms up`: run everything on this machine under supervision until Ctrl-C."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import TextIO

import msgspec
import trio

from admin.cli import data_dir, greeting
from admin.cli.addresses import Addresses
from admin.cli.children import HeldPorts, Site, programs
from admin.cli.demo import Demo, ensure_demo, require_consent
from admin.cli.development_ca import DevelopmentCa, ensure_development_ca
from admin.cli.memory_shares import Shares, divide
from admin.cli.stopping import Shutdown, bound_shutdown
from admin.cli.supervisor import Child
from gateway.service import machine
from state.embedded.embedded import run_embedded
from state.errors import StoreRefused
from state.patience import repeat_step, wait_for
from state.store import StoreConfig, start_store

# All processes have this number of seconds after the drain window to end. Then they are killed.
_STOP_S = 19.5


class UpOptions(msgspec.Struct, frozen=True, kw_only=True):
    data_dir: Path
    first_port: int | None = None
    workers: int = 1
    drain_s: float = 1.0
    redis: str | None = None
    max_memory_mib: int | None = None
    accept_lost_data: bool = False
    demo_data: bool = False
    json: bool = False
    log_level: str = "warning"


async def up(options: UpOptions, stderr: TextIO) -> None:
    """Run until SIGTERM or SIGINT, then stop all processes within `drain_s` + 20 seconds.

    While the store is away, the start waits. Must run in the main thread. Raises DataDirUnusable,
    PortOccupied, ChildFailed and StoreRefused, alone or in an ExceptionGroup. The text of each error is one
    clear line.
    """
    with (
        data_dir.open_data_dir(options.data_dir) as directory,
        closing(HeldPorts(options.first_port, options.workers)) as ports,
    ):
        shares = _divide_memory(options)
        pepper_file = directory / "pepper"
        pepper = data_dir.ensure_secret(pepper_file).encode()
        site = Site(
            directory=directory,
            ports=ports,
            authority=_development_ca(directory / "ca"),
            pepper_file=pepper_file,
            drain_s=options.drain_s,
            gateway_memory=shares.gateway,
            log_level=options.log_level,
        )
        async with (
            bound_shutdown(options.drain_s + _STOP_S) as stop,
            _store(options, directory, shares) as url,
        ):
            demo = None
            with stop.new_scope():
                async with start_store(StoreConfig(url=url)) as store:
                    await wait_for(store)
                    if options.redis and not options.demo_data:
                        await repeat_step(require_consent, store, pepper, directory)
                    demo = await repeat_step(ensure_demo, store, pepper, directory)
            if demo is not None:
                gateways, admin = programs(site, url)
                await _run(
                    Child(admin, stderr),
                    [Child(each, stderr) for each in gateways],
                    stop,
                    partial(_announce, options.json, site, demo),
                )


def _divide_memory(options: UpOptions) -> Shares:
    total, mib = machine.total_memory(), options.max_memory_mib
    shares = divide(total, options.workers)
    if mib is None:
        return shares
    if mib << 20 > total:
        raise StoreRefused(
            f"--max-memory {mib} is more than the {total >> 20} MiB of this machine or container, so the"
            f" system would kill Valkey before it is full; give at most {int(total * 0.6) >> 20}"
        )
    return shares._replace(store=mib << 20)


@asynccontextmanager
async def _store(options: UpOptions, directory: Path, shares: Shares) -> AsyncIterator[str]:
    """Yield the URL of the given Redis, or start a Valkey that ends after all other processes."""
    if options.redis:
        yield options.redis
        return
    async with trio.open_nursery() as nursery:
        run = partial(
            run_embedded,
            directory / "valkey",
            max_memory=shares.store,
            accept_lost_data=options.accept_lost_data,
        )
        yield await nursery.start(run)
        nursery.cancel_scope.cancel()


async def _run(admin: Child, workers: list[Child], stop: Shutdown, announce: Callable[[], None]) -> None:
    """Start all children, and call `announce` when they are ready.

    After a request to stop, stop all gateways at the same time, and then the admin process.
    """
    async with trio.open_nursery() as nursery:
        with stop.new_scope():
            async with trio.open_nursery() as starting:
                for child in (*workers, admin):
                    starting.start_soon(nursery.start, child.keep_running)
            announce()
            await trio.sleep_forever()
        async with trio.open_nursery() as stopping:
            for child in workers:
                stopping.start_soon(child.stop)
        await admin.stop()


def _announce(json: bool, site: Site, demo: Demo) -> None:  # noqa: FBT001  the name of the option
    addresses = Addresses(
        ws=f"ws://localhost:{site.ports.ws}",
        wss=f"wss://localhost:{site.ports.wss}",
        admin=f"http://localhost:{site.ports.admin}",
        api_key=demo.api_key,
        tenant=demo.tenant,
        token=demo.token,
        ca_file=str(site.authority.ca_file),
        data_dir=str(site.directory),
    )
    text = (
        msgspec.json.encode(addresses).decode()
        if json
        else greeting.write_greeting(addresses, demo, site.ports)
    )
    print(text, flush=True)  # noqa: T201  the purpose of the command


def _development_ca(directory: Path) -> DevelopmentCa:
    try:
        return ensure_development_ca(directory)
    except OSError as error:
        raise data_dir.DataDirUnusable(
            f"cannot write {directory}: {error.strerror}; make it writable, or give another --data-dir"
        ) from None
