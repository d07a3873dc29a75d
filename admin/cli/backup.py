"""`csms backup` writes backups of the store, and `csms restore` brings one back."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import trio
from cyclopts import App, Parameter
from cyclopts.types import PositiveInt
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from admin.cli.api.output import print_rows
from admin.cli.failures import CommandRefused, report_failures
from gateway.service import logs
from gateway.service.config import load
from state.backups import directory, manifest, note, origin, restoring, writing
from state.backups.copying import Report
from state.backups.manifest import Backup
from state.errors import StateError
from state.store import Store, StoreConfig, open_store

app = App(
    name="backup",
    help="""Write backups of the store, and look at them.

A backup is a copy of the append-only files of a running Valkey or Redis. `csms restore` brings one back.
docs/backup.md says what else you need, and what a restore loses.
""",
)

_STORE_WAIT_S = 10.0

type Backups = Annotated[
    Path, Parameter(help="The directory of the backups of one store.", show_default=False)
]
type OneBackup = Annotated[
    Path, Parameter(help="A backup, which is a directory within the directory of the backups.")
]
type StoreDirectory = Annotated[
    Path,
    Parameter(
        help="The directory of the server's files (its setting `dir`), as this process sees it. For"
        " `csms up`, it is `valkey` in the data directory."
    ),
]
type Json = Annotated[bool, Parameter(negative=(), help="Print one JSON object on each line, for programs.")]


@app.command
def write(
    store_directory: StoreDirectory,
    backups: Backups,
    *,
    config: Annotated[
        Path | None,
        Parameter(help="TOML file of csms admin. CSMS__SECTION__KEY variables override the file."),
    ] = None,
    keep: PositiveInt | None = None,
) -> None:
    """Write a backup of the store, while the system runs.

    The command reads the files of the server, so it runs where these files are. They may be mounted read-only
    and under another path. It also uses the store, with the configuration of `csms admin`. The backup has
    everything that was acknowledged before it began. It has no pepper, key or certificate; its manifest names
    what else you need. A backup that fails or is interrupted leaves nothing that looks like a whole one.

    Parameters
    ----------
    keep
        Afterwards remove the oldest backups of this store, so that this many are left. By default, all stay.
    """
    from admin.config import AdminConfig  # noqa: PLC0415  as in csms.py

    with report_failures("csms backup write"):
        loaded = load(AdminConfig, config, os.environ)
        logs.configure("warning", loaded.logs.format)
        directory.require_apart(backups, store_directory)
        with directory.lock(backups):
            trio.run(_write, loaded.store, store_directory, backups, keep)


async def _write(config: StoreConfig, store_directory: Path, backups: Path, keep: int | None) -> None:
    async with open_store(config, wait_s=_STORE_WAIT_S) as store:
        async with origin.open_origin(store, store_directory) as opened:
            _warn(opened, store_directory, backups)
            with _show_progress(sum(opened.sizes)) as report:
                # A thread, so that the connections to the store live on.
                done = await trio.to_thread.run_sync(writing.write, opened, backups, _cancellable(report))
        await _note(store, done)
    removed = directory.remove_oldest(backups, done.manifest.store, keep) if keep is not None else []
    took_s = (done.manifest.finished_ms - done.manifest.begun_ms) / 1000
    _say(f"Wrote {done.path} ({done.manifest.bytes:,} bytes) in {took_s:.1f} s.")
    if removed:
        _say(f"Removed {len(removed)} older backups.")


async def _note(store: Store, done: Backup) -> None:
    try:
        await note.write_success(store, done.manifest.finished_ms, done.manifest.bytes)
    except StateError as error:
        raise CommandRefused(
            f"{done.path} is whole, but the store could not note it ({error}), so csms_backup_age_seconds"
            " does not know of it"
        ) from None


def _warn(opened: origin.Origin, store_directory: Path, backups: Path) -> None:
    if not opened.mark:
        _say(
            "Warning: the store refuses writes, so csms could not prove that these are the files of this"
            " server."
        )
    if store_directory.stat().st_dev == backups.stat().st_dev:
        _say("Warning: the backups are on the same file system as the store, and would be lost with it.")


@app.command(name="list")
def list_(backups: Backups, *, json: Json = False) -> None:
    """List the whole backups of a directory, the oldest first."""
    with report_failures("csms backup list"):
        found = manifest.list_whole(backups)
        if json:
            for one in found:
                line = {"backup": str(one.path), **msgspec.to_builtins(one.manifest)}
                print(msgspec.json.encode(line).decode())  # noqa: T201  the purpose of the command
            return
        print_rows("table", (_row(one) for one in found))


@app.command
def verify(backup: OneBackup) -> None:
    """Read all files of a backup, and compare them with its manifest.

    The exit code is 1 if a file is missing or has another content, or if this release could not use the
    store. No server is needed.
    """
    with report_failures("csms backup verify"):
        with _show_progress(manifest.read(backup).bytes) as report:
            found = restoring.verify(backup, report)
        manifest.require_readable(backup, found)
        print(  # noqa: T201  the purpose of the command
            f"{len(found.files)} files with {found.bytes:,} bytes are whole. They have what was acknowledged"
            f" before {_text(found.begun_ms)}."
        )


def restore(backup: OneBackup, store_directory: StoreDirectory) -> None:
    """Lay the files of a backup down in an empty directory, for a server that does not run yet.

    The command compares each file with the manifest of the backup, and replaces nothing. It refuses a
    directory that has files, and a backup of a store that this release cannot use. Start the server only
    afterwards, because without its files it starts with an empty store.
    """
    with report_failures("csms restore"):
        with _show_progress(manifest.read(backup).bytes) as report:
            found = restoring.restore(backup, store_directory, report)
        _say(
            f"Restored {found.bytes:,} bytes to {store_directory}. They have what was acknowledged before"
            f" {_text(found.begun_ms)}.",
            "Next:",
            f"- Start the server with dir {store_directory}, appendonly yes, appenddirname"
            f" {found.directory} and appendfilename {found.file_name}. Its user must be able to"
            " write these files.",
            *(f"- Have at hand: {needed}." for needed in found.needed_too),
            "- Run csms store missing with the logs of the gateways. It lists what was acknowledged later.",
        )


def _row(backup: Backup) -> dict[str, str]:
    """Return what the table shows. The name says when the backup was begun."""
    has = backup.manifest
    return {
        "backup": backup.path.name,
        "bytes": f"{has.bytes:,}",
        "store": has.store,
        "written by": f"csms {has.written_by}",
    }


def _text(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _say(*lines: str) -> None:
    for line in lines:
        sys.stderr.write(f"{line}\n")


@contextmanager
def _show_progress(size: int) -> Iterator[Report]:
    console = Console(stderr=True)
    columns = BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=size)
        yield lambda copied: progress.advance(bar, copied)


def _cancellable(report: Report) -> Report:
    """Let Ctrl-C and a lost store end the thread that copies."""

    def report_and_check(copied: int) -> None:
        trio.from_thread.check_cancelled()
        report(copied)

    return report_and_check
