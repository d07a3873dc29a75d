"""`csms store` raises the form of the store, accepts another pepper, and finds what a restore lost."""

import os
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import App, Parameter

from admin.cli.failures import CommandRefused, report_failures
from admin.cli.missing import missing
from gateway.service.config import load
from state import meta, upgrade
from state.nodes.nodes import NodeState
from state.store import StoreConfig, open_store
from state.tenants import pepper

app = App(name="store", help="Work on the store itself.")
app.command(missing)


@app.command(name="upgrade")
def upgrade_(
    *,
    store_url: Annotated[str | None, Parameter(env_var="CSMS__STORE__URL", show_default=False)] = None,
    config: Path | None = None,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Let this release write data in its newest form.

    Two releases can use one store at the same time, because each release reads the newest form of the next
    one, but writes it only after this command. Run the command when all gateways and admin processes have
    this release and you will not return to the one before. The command refuses while a process of an older
    release runs. Afterwards such a process cannot use the store.

    Parameters
    ----------
    store_url
        The URL of the store. Put a URL with a password into the variable CSMS__STORE__URL, because other
        users of the machine can see the command line.
    config
        TOML file of csms admin that has the URL instead. CSMS__SECTION__KEY variables override the file.
    dry_run
        Only say what the command would do.
    """
    with report_failures("csms store upgrade"):
        trio.run(_upgrade, _read_config(store_url, config), dry_run)


@app.command
def accept_pepper(*, config: Path | None = None) -> None:
    """Make the pepper of this configuration the right one, after you changed the pepper on purpose.

    A gateway or admin process does not start with another pepper than that with which the tokens and API keys
    in the store were made. After this command, processes with the new pepper start, and those with the old
    one do not. No token, password or API key that was made with the old pepper works, so make new ones.

    Parameters
    ----------
    config
        TOML file of csms admin. CSMS__SECTION__KEY variables override the file.
    """
    from admin.config import AdminConfig  # noqa: PLC0415  as in csms.py

    async def work(store_config: StoreConfig, own: bytes) -> None:
        async with open_store(store_config) as store:
            if await pepper.accept(store, own):
                _say("Done: the store accepts processes with this pepper. Make new tokens and API keys.")
            else:
                _say("Nothing was changed, because the store has this pepper already.")

    with report_failures("csms store accept-pepper"):
        loaded = load(AdminConfig, config, os.environ)
        trio.run(work, loaded.store, loaded.security.pepper.encode())


def _read_config(store_url: str | None, config: Path | None) -> StoreConfig:
    if config is not None:
        from admin.config import AdminConfig  # noqa: PLC0415  as in csms.py

        return load(AdminConfig, config, os.environ).store
    if store_url is None:
        raise CommandRefused("no store is given; give --store-url or --config")
    # With durability memory, the command also works on a store that csms would refuse for its settings.
    return StoreConfig(url=store_url, durability="memory")


async def _upgrade(config: StoreConfig, dry_run: bool) -> None:  # noqa: FBT001  the name of the option
    async with open_store(config) as store:
        found = await meta.check(store.pipeline)
        if found.readable_from >= meta.FORMAT:
            _say(f"The store has form {found.readable_from} already, the newest of csms {meta.release()}.")
            return
        _say(
            f"The store has form {found.readable_from}. csms {meta.release()} will write form {meta.FORMAT}.",
            "Then no older release can use the store. To return to one, you need a backup from before.",
        )
        if older := await upgrade.list_older(store):
            raise CommandRefused(
                f"a process of an older release runs: {', '.join(map(_describe, older))}; replace it by this"
                " release or stop it, and run the command again"
            )
        if dry_run:
            _say("Nothing was changed, because of --dry-run.")
            return
        done = await upgrade.upgrade(store)
    _say(
        f"Done: readable_from {done.before.readable_from} -> {done.after.readable_from}, written_by "
        f"{done.before.written_by or 'unknown'} -> {done.after.written_by} (csms:meta)."
    )
    if done.cut:
        _say(f"{done.cut} connections of older processes were closed. These processes cannot connect again.")


def _describe(one: NodeState) -> str:
    assert one.node is not None  # noqa: S101  list_older returns only nodes with a record.
    release = f" {one.node.version}" if one.node.version else ""
    return f"{one.node.kind}{release} on {one.node.host} (pid {one.node.pid})"


def _say(*lines: str) -> None:
    for line in lines:
        print(line)  # noqa: T201  the purpose of the command
