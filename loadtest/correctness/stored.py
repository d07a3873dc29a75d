"""What the admin API of csms has about the charge points of a run, read page by page after the run.

The central system may still be busy after a run, and may answer 429 or 503. A page is then asked for again
after the time in Retry-After. Everything is bounded: the number of transactions, the number of transactions
whose meter values are read, their pages, and the time without any answer.
"""

import heapq
import math
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote
from zlib import crc32

import httpx
import msgspec
import trio

from gateway.ocpp16.errors import shorten
from loadtest.correctness.notes import milliseconds
from loadtest.history import Stored, stored_from_api

_TRANSACTIONS_MAX = 200_000
_VALUES_OF_MAX = 20_000
_LISTED_PAGES_MAX = 1_000
_PAGES_MAX = 200
_PAGE = 1_000
_AT_ONCE = 4
_PATIENCE_S = 120.0
_REQUEST_S = 90.0
"""Time of a whole answer, because the timeout of httpx is for each part of it."""
_LONGEST_WAIT_S = 30.0
_BUSY = frozenset({429, 502, 503, 504})

type Values = Mapping[int, Sequence[str]]
"""The stored values of a transaction: the sampled values as JSON, by their timestamp in milliseconds."""


class CannotRead(Exception):  # noqa: N818  the name says it
    """The admin API did not give what the checks need. The text says why, and what would be right."""


class Kept(NamedTuple):
    """What the central system has.

    `values` has the meter values by charge point and transactionId, for the transactions whose meter values
    were read. `unread` is the number of the other transactions.
    """

    transactions: list[Stored]
    values: dict[tuple[str, int], Values]
    unread: int


class Patience:
    """How long the admin API may answer nothing useful, over all requests."""

    def __init__(self, seconds: float = _PATIENCE_S) -> None:
        self._seconds = seconds
        self._until = trio.current_time() + seconds

    def renew(self) -> None:
        self._until = trio.current_time() + self._seconds

    async def wait(self, seconds: float, why: str) -> None:
        """Wait before the next try. Raises CannotRead if that is too late."""
        seconds = min(max(seconds, 0.1), _LONGEST_WAIT_S)
        if trio.current_time() + seconds > self._until:
            raise CannotRead(
                f"the admin API answered no request for {self._seconds:g} s (the last time: {why}); "
                "it must answer after the run"
            )
        await trio.sleep(seconds)


async def read_kept(
    api: httpx.AsyncClient, names: Container[str], since: datetime, *, patience: Patience | None = None
) -> Kept:
    """Read the transactions of these charge points that started at or after `since`, with their values.

    The base URL of `api` is that of the tenant, and `api` sends the key. Raises CannotRead.
    """
    patience = patience or Patience()
    transactions = await _read_transactions(api, names, since, patience)
    # If there are more, the checksum chooses the same transactions in each reading.
    chosen = heapq.nsmallest(
        _VALUES_OF_MAX, transactions, key=lambda one: crc32(f"{one.charge_point}.{one.id}".encode())
    )
    values: dict[tuple[str, int], Values] = {}
    waiting = iter(chosen)

    async def work() -> None:
        for one in waiting:
            values[one.charge_point, one.id] = await _read_values(api, one, patience)

    await _run_all(work)
    return Kept(transactions, values, len(transactions) - len(chosen))


async def _run_all(work: Any) -> None:
    """Run the work several times at once, and raise the first CannotRead."""
    try:
        async with trio.open_nursery() as nursery:
            for _ in range(_AT_ONCE):
                nursery.start_soon(work)
    except* CannotRead as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


async def _read_transactions(
    api: httpx.AsyncClient, names: Container[str], since: datetime, patience: Patience
) -> list[Stored]:
    found: list[Stored] = []
    parameters = {"limit": str(_PAGE), "since": since.astimezone(UTC).isoformat()}
    for _ in range(_LISTED_PAGES_MAX):
        page = await _get(api, "/transactions", parameters, patience)
        _check_archive(page.get("archive"), since)
        found += (_transaction(item) for item in page["items"] if item.get("charge_point") in names)
        if page["next"] is None:
            return found
        if len(found) > _TRANSACTIONS_MAX:
            break
        parameters["cursor"] = page["next"]
    raise CannotRead(
        f"the tenant has more than {_TRANSACTIONS_MAX:,} transactions since the begin of the run; compare a "
        "shorter run"
    )


def _check_archive(archive: Any, since: datetime) -> None:
    """Raise CannotRead if transactions of the run may be in an archive that the admin process cannot read."""
    until_ms = milliseconds(str(archive.get("until"))) if isinstance(archive, dict) else None
    if until_ms is not None and until_ms > since.timestamp() * 1000:
        raise CannotRead(
            "transactions of the run are in an archive that the admin process cannot read; archive nothing "
            "during the run"
        )


def _transaction(item: dict[str, Any]) -> Stored:
    try:
        return stored_from_api(item)
    except (KeyError, TypeError):
        raise CannotRead(f"a transaction has other members than csms writes: {_show(item)}") from None


async def _read_values(api: httpx.AsyncClient, of: Stored, patience: Patience) -> Values:
    """Read the messages MeterValues of a transaction, without the transactionData of its stop."""
    found: dict[int, list[str]] = {}
    path = f"/transactions/{quote(f'{of.charge_point}.{of.id}', safe='')}/meter-values"
    parameters = {"limit": str(_PAGE)}
    for _ in range(_PAGES_MAX):
        page = await _get(api, path, parameters, patience)
        for item in page["items"]:
            at_ms = milliseconds(str(item.get("timestamp")))
            if at_ms is not None and item.get("source") == "MeterValues":
                found.setdefault(at_ms, []).append(_encode(item.get("sampledValue")).decode())
        if page["next"] is None:
            break
        parameters["cursor"] = page["next"]
    return found


_encode = msgspec.json.Encoder(order="deterministic").encode


async def _get(
    api: httpx.AsyncClient, path: str, parameters: Mapping[str, str], patience: Patience
) -> dict[str, Any]:
    """Return a page. Ask again while the central system is busy. Raises CannotRead."""
    while True:
        try:
            with trio.fail_after(_REQUEST_S):
                response = await api.get(path, params=dict(parameters))
        except (httpx.HTTPError, trio.TooSlowError) as error:
            await patience.wait(1.0, type(error).__name__)
            continue
        if response.status_code not in _BUSY:
            patience.renew()
            return _read_page(path, response)
        await patience.wait(_retry_after_s(response), f"status {response.status_code}")


def _read_page(path: str, response: httpx.Response) -> dict[str, Any]:
    if response.status_code != 200:
        raise CannotRead(
            f"the admin API answered {response.status_code} to GET {path}; it needs the URL, the tenant and "
            "a key of the central system of the run"
        )
    try:
        page = response.json()
    except (ValueError, RecursionError):
        page = None
    if (
        not isinstance(page, dict)
        or not isinstance(page.get("next", 0), str | None)
        or not isinstance(page.get("items"), list)
        or not all(isinstance(item, dict) for item in page["items"])
    ):
        raise CannotRead(
            f"the admin API answered something else than a page to GET {path}: {_show(response.text)}"
        )
    return page


def _retry_after_s(response: httpx.Response) -> float:
    try:
        seconds = float(response.headers.get("Retry-After", "1"))
    except ValueError:
        return 1.0
    return seconds if math.isfinite(seconds) else 1.0


def _show(value: object) -> str:
    return ascii(shorten(str(value), 100))
