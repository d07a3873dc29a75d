"""Export transactions to files that are complete or not there, and each entry once over several runs."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import msgspec
import trio

from admin.cli.api.client import Client
from admin.cli.api.errors import Busy, Refused, TryAgain
from admin.cli.api.files import open_result
from admin.cli.api.options import Form
from admin.cli.api.output import warn
from admin.cli.failures import CommandRefused
from state.durable import write_private

_WAITS = httpx.Timeout(60, connect=10, read=600)
"""The server sends nothing while it searches for what the filters leave over."""
_PAUSES_S = (0.5, 1, 2, 5, 10)
_COMPLETED = "/v1/tenants/{tenant}/transactions/completed"
_FORMATS: dict[Form, str] = {"table": "csv", "json": "jsonl"}
_AFTER = "Csms-After"


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the next run begins. The last run wrote `part`, which gets the name `file` as its last step."""

    after: str
    part: str
    file: str


async def export_list(client: Client, query: dict[str, Any], form: Form, file: Path | None) -> None:
    """Write the list to the file, or to stdout."""
    path = client.of_tenant("transactions")
    with open_result(file) as result:
        number, _ = await _download(
            client, path, result.buffer, query | {"format": _FORMATS[form]}, again=file is not None
        )
    if file is not None:
        warn(f"wrote {number} transactions to {file}")


async def export_completed(
    client: Client, query: dict[str, Any], form: Form, file: Path, resume_file: Path
) -> None:
    """Write what was completed since the last run with the same `resume_file`.

    The place for the next run is stored when the data is complete. Only then the data gets its name. So a run
    that is killed at any moment neither loses an entry nor makes the next run write it again. Raises
    CommandRefused if another run with the same `resume_file` has not ended.
    """
    with _alone(resume_file):
        await _export_after(client, query, form, file, resume_file)


@contextmanager
def _alone(resume_file: Path) -> Iterator[None]:
    """Keep other runs out. The lock is a file beside `resume_file`, which each run replaces."""
    with resume_file.with_name(f"{resume_file.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandRefused(
                f"another export with --resume-file {resume_file} is running; wait until it has ended"
            ) from None
        yield


async def _export_after(
    client: Client, query: dict[str, Any], form: Form, file: Path, resume_file: Path
) -> None:
    before = _read_place(resume_file)
    if before is not None and _finish(before, file):
        return
    _refuse_if_there(file)
    path, place = client.of_tenant("transactions", "completed"), ""
    asked = query | {"after": None if before is None else before.after}
    await _warn_of_missing(client, path, asked)

    def keep_place(part: Path) -> None:
        stored = Place(place, str(part.absolute()), str(file.absolute()))
        write_private(resume_file, msgspec.json.encode(stored) + b"\n")

    with open_result(file, keep_place) as result:
        number, headers = await _download(
            client, path, result.buffer, asked | {"format": _FORMATS[form]}, again=True
        )
        place = headers[_AFTER]
    warn(f"wrote {number} entries to {file}; {resume_file} has the place where the next run begins: {place}")


async def _download(
    client: Client, path: str, result: BinaryIO, query: dict[str, Any], *, again: bool
) -> tuple[int, httpx.Headers]:
    """Write a file of the server, and return the number of its records, and the headers of the answer.

    With `again`, a file that breaks off is begun anew. Raises Refused, TryAgain.
    """
    failures = 0
    while True:
        began = False
        try:
            async with client.stream(path, _WAITS, {}, **query) as response:
                began, records = True, _Records(quotes=query["format"] == "csv")
                async for chunk in response.aiter_bytes():
                    result.write(chunk)
                    records.add(chunk)
                return records.number, response.headers
        except TryAgain as error:
            if failures == len(_PAUSES_S) or (began and not again) or not (began or isinstance(error, Busy)):
                raise
            pause_s = error.after_s if isinstance(error, Busy) else _PAUSES_S[failures]
            warn(f"{error}; beginning the file again")
            if began:
                result.seek(0)
                result.truncate()
        failures += 1
        await trio.sleep(pause_s)


class _Records:
    """Counts the records of a CSV file without its names, or the lines of another file."""

    def __init__(self, *, quotes: bool) -> None:
        self._quotes, self._quoted = quotes, False
        self.number = -1 if quotes else 0

    def add(self, chunk: bytes) -> None:
        # A text between quotes may have line ends. A quote inside of a text is doubled.
        for place, part in enumerate(chunk.split(b'"') if self._quotes else [chunk]):
            self._quoted ^= place > 0
            if not self._quoted:
                self.number += part.count(b"\n")


async def _warn_of_missing(client: Client, path: str, asked: dict[str, Any]) -> None:
    """Say on stderr which entries the file cannot have as they were."""
    try:
        page = await client.get(path, **asked, limit=1)
    except Refused as error:
        if error.status == httpx.codes.NOT_FOUND:
            await client.refuse_if_old(_COMPLETED)
        raise
    if page["gap"]:
        warn("entries are missing, because the last run was so long ago that csms no longer keeps them")
    if archive := page.get("archive"):
        where = f"{archive['host']}:{archive['directory']}"
        warn(f"transactions in the archive {where} have only their id, because this server cannot read it")


def _read_place(file: Path) -> Place | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Place)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError:
        raise CommandRefused(
            f"{file} holds no place of an export; name the file of an earlier export, or a new one"
        ) from None


def _finish(place: Place, wanted: Path) -> bool:
    """Give the data of an interrupted run its name. Return whether this is the file that is wanted now."""
    try:
        Path(place.part).replace(place.file)
    except FileNotFoundError:
        return False
    warn(f"the last run was interrupted when its file was complete; its entries are in {place.file} now")
    return place.file == str(wanted.absolute())


def _refuse_if_there(file: Path) -> None:
    if file.exists():
        raise CommandRefused(
            f"{file} exists already and may have the entries of another run; name a new file"
        )
