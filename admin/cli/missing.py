"""`csms store missing` lists what gateways acknowledged, by their logs, and the store does not know."""

import gzip
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import batched
from pathlib import Path
from typing import IO, Annotated, Any, cast

import msgspec
import trio
from cyclopts import Parameter

from admin.cli.api.options import Form
from admin.cli.api.output import print_rows
from admin.cli.failures import CommandRefused, report_failures
from gateway.service import logs
from gateway.service.config import load
from state.store import StoreConfig, open_store
from state.transactions.acknowledged import Fact, find_missing

_AT_ONCE = 1000
_DIGITS = 10
"""Digits of the largest transaction id, which is an int32."""
_LONGEST = 1 << 20
"""Bytes of a line. What is longer did not come from a gateway, and is read in pieces."""
_MARK = b'"facts.acknowledged"'


class _Line(msgspec.Struct):
    event: str
    facts: list[Fact] = []


def missing(
    log: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    config: Path | None = None,
    output: Form = "table",
) -> None:
    """List the acknowledged starts and stops that the store does not have now.

    Run the command after a restore, with the logs that the gateways wrote since the backup. A charge point
    does not repeat what was acknowledged, so these logs are all that is left of it. They have no id tags and
    no meter values between start and stop. If the configuration names an archive, a transaction that is there
    is not missing. The exit code is 1 if something is missing.

    Parameters
    ----------
    log
        Logs of gateways, in JSON (`logs.format`), also compressed with gzip. `-` stands for the input.
    config
        TOML file of csms admin. CSMS__SECTION__KEY variables override the file.
    output
        `json` prints one JSON object for each line.
    """
    from admin.config import AdminConfig  # noqa: PLC0415  as in csms.py

    with report_failures("csms store missing"):
        loaded = load(AdminConfig, config, os.environ)
        logs.configure("warning", loaded.logs.format)
        facts = _read_all(log)
        found = trio.run(_find, loaded.store, list(facts))
        if loaded.archive.directory is not None:
            found = _without_archived(found, Path(loaded.archive.directory))
        if found:
            print_rows(output, (msgspec.structs.asdict(fact) for fact in found))
            raise CommandRefused(f"{len(found)} of {len(facts)} acknowledged starts and stops are missing")
        sys.stderr.write(f"The store has all {len(facts)} acknowledged starts and stops.\n")


def _read_all(paths: Iterable[Path]) -> dict[Fact, None]:
    """Return each fact once, in the order of the logs. Raises CommandRefused or OSError."""
    facts: dict[Fact, None] = {}
    lines = 0
    for path in paths:
        with _open(path) as opened:
            while line := opened.readline(_LONGEST):
                if _MARK in line:
                    lines += 1
                    facts |= dict.fromkeys(_read_line(path, line))
    if not lines:
        raise CommandRefused(
            "the logs have no event facts.acknowledged; give the logs of gateways in JSON, which log at the"
            " level info"
        )
    return facts


def _read_line(path: Path, line: bytes) -> list[Fact]:
    # A container runtime may write a time in front of the line.
    try:
        found = msgspec.json.decode(line[line.find(b"{") :], type=_Line)
    except (ValueError, RecursionError) as error:  # MsgspecError and UnicodeDecodeError are ValueErrors.
        sys.stderr.write(f"Warning: a line of {path} with acknowledged facts cannot be read: {error}\n")
        return []
    return found.facts


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else file
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CommandRefused(f"{path} cannot be read: {error}") from None


async def _find(config: StoreConfig, facts: Sequence[Fact]) -> list[Fact]:
    async with open_store(config) as store:
        return [
            one for some in batched(facts, _AT_ONCE, strict=False) for one in await find_missing(store, some)
        ]


def _without_archived(facts: Iterable[Fact], directory: Path) -> list[Fact]:
    from admin.archive.archive import Reader  # noqa: PLC0415  as in csms.py
    from admin.archive.failures import ArchiveFailed  # noqa: PLC0415

    reader = Reader(directory)
    try:
        return [fact for fact in facts if not (reader.exists() and _is_archived(reader, fact))]
    except ArchiveFailed as error:
        raise CommandRefused(str(error)) from None


def _is_archived(reader: Any, fact: Fact) -> bool:
    text = str(fact.transaction_id)
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        return False
    found = reader.find(fact.tenant, fact.charge_point, int(text))
    if found is None:
        return False
    return fact.kind == "start" or reader.read_head(found).transaction.stopped_at is not None
