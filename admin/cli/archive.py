"""`csms archive` writes the archive of finished transactions, and reads it without a store."""

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import trio
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from admin.cli.failures import CommandRefused, report_failures
from gateway.service import logs
from gateway.service.config import load

app = App(
    name="archive",
    help="""Write and read the archive of finished transactions.

An admin process with the setting `archive.directory` writes the archive by itself. `csms archive write` does
the same once, for systems in which a timer should do it. The other commands only read the directory, and need
no store. docs/archive.md describes the files.
""",
)

_STORE_WAIT_S = 10.0
_LEAVE_S = 2.0

type Config = Annotated[
    Path | None, Parameter(help="TOML file of csms admin. CSMS__SECTION__KEY variables override the file.")
]
type Directory = Annotated[
    Path,
    Parameter(env_var="CSMS__ARCHIVE__DIRECTORY", help="The directory of the archive.", show_default=False),
]
type Json = Annotated[bool, Parameter(negative=(), help="Print one JSON object on each line, for programs.")]


@app.command
def write(*, config: Config = None) -> None:
    """Archive everything that is due, and let old transactions leave the store, as the settings say.

    The command uses the configuration of `csms admin`, with `archive.directory` and the section `retention`.
    If an admin process is archiving, the command refuses. The command may be interrupted at any time, and
    the next one goes on.
    """
    from admin.archive.failures import ArchiveFailed  # noqa: PLC0415  as in csms.py
    from admin.archive.task import Archiving  # noqa: PLC0415
    from admin.config import AdminConfig  # noqa: PLC0415
    from state.nodes import nodes  # noqa: PLC0415
    from state.store import open_store  # noqa: PLC0415

    async def run(loaded: AdminConfig) -> None:
        if loaded.archive.directory is None:
            raise CommandRefused("archive.directory is not set; set it in the configuration of csms admin")
        async with open_store(loaded.store, wait_s=_STORE_WAIT_S) as store:
            archiving = Archiving(store, nodes.new_incarnation(), loaded.archive, loaded.retention)
            try:
                refusal = await archiving.work_once()
            finally:  # Otherwise the next attempt would be refused for a minute.
                with trio.move_on_after(_LEAVE_S, shield=True):
                    await archiving.leave_duty()
            if refusal is not None:
                raise CommandRefused(refusal)
            sys.stderr.write(
                f"Wrote {archiving.archived} transactions to {loaded.archive.directory}; {archiving.dropped}"
                " transactions left the store.\n"
            )
            if archiving.errors:
                raise CommandRefused("files of the archive are missing; csms archive verify names them")

    with report_failures("csms archive write"):
        loaded = load(AdminConfig, config, os.environ)
        logs.configure("warning", loaded.logs.format)
        try:
            trio.run(run, loaded)
        except* ArchiveFailed as errors:
            raise CommandRefused(str(_first(errors))) from None


@app.command(name="list")
def list_(directory: Directory, *, tenant: str | None = None, json: Json = False) -> None:
    """List the files of the archive, the oldest first.

    Parameters
    ----------
    tenant
        List only the files of this tenant.
    """
    from admin.archive import manifest  # noqa: PLC0415  as in csms.py
    from admin.archive.failures import ArchiveFailed  # noqa: PLC0415

    with report_failures("csms archive list"):
        if not directory.is_dir():
            raise CommandRefused(f"{directory} is not a directory; give the directory of the archive")
        try:
            entries = [one for one, _ in manifest.read(directory) if tenant in {None, one.tenant}]
        except ArchiveFailed as error:
            raise CommandRefused(str(error)) from None
        if json:
            for entry in entries:
                print(msgspec.json.encode(entry).decode())  # noqa: T201  the purpose of the command
            return
        table = Table("file", "tenant", "day", "transactions", "bytes")
        for entry in entries:
            table.add_row(entry.file, entry.tenant, entry.day, str(entry.count), str(entry.size))
        Console().print(table)


@app.command
def verify(directory: Directory) -> None:
    """Read every file of the archive, and compare it with the manifest and the index.

    The command reads everything, so it takes long for a large archive. It prints each problem on a line of
    its own, and exits with status 1 if there is one.
    """
    from admin.archive import verify as checks  # noqa: PLC0415  as in csms.py
    from admin.archive.failures import ArchiveFailed  # noqa: PLC0415

    with report_failures("csms archive verify"):
        problems = 0
        try:
            total = checks.Total()
            for problem in checks.verify(directory, total):
                print(problem)  # noqa: T201  the purpose of the command
                problems += 1
        except ArchiveFailed as error:
            raise CommandRefused(str(error)) from None
        if problems:
            raise CommandRefused(f"{problems} problems in {total.files} files")
        print(f"{total.files} files with {total.records} records are whole.")  # noqa: T201


@app.command
def read(transaction: str, *, tenant: str, directory: Directory) -> None:
    """Print the newest record of a transaction, as one line of JSON.

    Parameters
    ----------
    transaction
        The public id of the transaction, `<charge point>.<transaction id>`.
    tenant
        The tenant of the charge point.
    """
    from admin.archive.archive import Reader  # noqa: PLC0415  as in csms.py
    from admin.archive.failures import ArchiveFailed  # noqa: PLC0415
    from state.transactions.listing import parse_public_id  # noqa: PLC0415

    with report_failures("csms archive read"):
        try:
            charge_point, id_ = parse_public_id(transaction)
            found = Reader(directory).find(tenant, charge_point, id_)
            line = None if found is None else Reader(directory).read_line(found)
        except (ArchiveFailed, ValueError) as error:
            raise CommandRefused(str(error)) from None
        if line is None:
            raise CommandRefused(f"the archive has no transaction {transaction} of the tenant {tenant}")
        print(line.decode())  # noqa: T201  the purpose of the command


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
