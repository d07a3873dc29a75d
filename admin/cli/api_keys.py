"""`csms api-key` makes, lists and revokes API keys directly in the store."""

import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import trio
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from admin.cli.failures import CommandRefused, report_failures
from gateway.service.config import load
from state.store import Store, StoreConfig, open_store
from state.tenants import api_keys, pepper

app = App(
    name="api-key",
    help="""Make, list and revoke the keys with which operators use the admin API.

The command works directly on the store, so that it can make the first key. The command uses the configuration
of `csms admin` and needs `store.url` and the pepper.
""",
)

type Config = Annotated[
    Path | None, Parameter(help="TOML file of csms admin. CSMS__SECTION__KEY variables override the file.")
]


@app.command
def create(
    name: str, *, tenant: Annotated[list[str] | None, Parameter(negative=())] = None, config: Config = None
) -> None:
    """Make a key and print it. The key cannot be shown again, because the store keeps only a hash.

    Parameters
    ----------
    name
        Name of the person or program that will use the key. `csms api-key list` shows the name.
    tenant
        A tenant that the key may use. Give the option once for each tenant. Without the option, the key may
        use all tenants.
    """

    async def work(store: Store, own: bytes) -> None:
        await pepper.check(store, own)
        made = await api_keys.create(store, own, name, tenant)
        print(made.secret)  # noqa: T201  the purpose of the command
        sys.stderr.write(f"Made key {made.id} ({name}). It cannot be shown again.\n")

    with_store(config, "api-key create", work)


@app.command(name="list")
def list_(*, json: Annotated[bool, Parameter(negative=())] = False, config: Config = None) -> None:
    """List the keys, without their secrets.

    Parameters
    ----------
    json
        Print one JSON object on each line, for programs.
    """

    async def work(store: Store, _pepper: bytes) -> None:
        found = await api_keys.list_(store)
        if json:
            for key in found:
                print(msgspec.json.encode(key).decode())  # noqa: T201  the purpose of the command
            return
        table = Table("id", "name", "tenants", "made")
        for key in found:
            made = datetime.fromtimestamp(key.created_ms / 1000, UTC)
            table.add_row(key.id, key.name, ", ".join(key.tenants or ["all"]), f"{made:%Y-%m-%d %H:%M} UTC")
        Console().print(table)

    with_store(config, "api-key list", work)


@app.command
def revoke(key_id: str, *, config: Config = None) -> None:
    """Revoke a key by its id, the part between the underscores. The next request with the key is refused."""

    async def work(store: Store, _pepper: bytes) -> None:
        if not await api_keys.revoke(store, key_id):
            raise CommandRefused(f"there is no key {key_id}; csms api-key list shows the ids")

    with_store(config, "api-key revoke", work)


def with_store(config: Path | None, command: str, work: Callable[[Store, bytes], Awaitable[None]]) -> None:
    """Run `work` with the store and the pepper of an admin process."""
    from admin.config import AdminConfig  # noqa: PLC0415  as in csms.py

    async def run(store_config: StoreConfig, own: bytes) -> None:
        async with open_store(store_config) as store:
            await work(store, own)

    with report_failures(f"csms {command}"):
        loaded = load(AdminConfig, config, os.environ)
        trio.run(run, loaded.store, loaded.security.pepper.encode())
