"""Removes what a load test left in its tenant, through the admin API of csms."""

from collections.abc import AsyncIterator, Callable, Collection
from http import HTTPStatus
from urllib.parse import quote

import httpx
import msgspec
import trio

from gateway.ocpp16.errors import shorten
from gateway.ocpp16.frames import DECODE_ERRORS

_AT_ONCE = 8
_PAGE = 1_000
_TRIES = 5
_WAIT_S = 1.0
_REQUEST_S = 90.0
"""Time of a whole answer, because the timeout of httpx is for each part of it."""
_FAILURES_MAX = 20
_BUSY = frozenset({429, 503})


class CannotClean(Exception):  # noqa: N818  the name says it
    """The admin API cannot be used; the text says why, and what would be right."""


class _Page(msgspec.Struct):
    items: list[dict[str, object]]
    next: str | None


_decode_page = msgspec.json.Decoder(_Page).decode


class Cleaned(msgspec.Struct):
    """What was removed, and what remains. `failures` has the first reasons why charge points remain."""

    charge_points: int = 0
    transactions_ended: int = 0
    remaining: int = 0
    failures: list[str] = []


async def clean(
    api: httpx.AsyncClient, prefix: str, ids: Collection[str] = (), *, on_progress: Callable[[Cleaned], None]
) -> Cleaned:
    """Delete the charge points of a load test, with their transactions and meter values.

    These are the charge points whose id is `prefix` and a number of six digits, and those in `ids`. The
    deletion of a charge point includes its finished transactions, and open transactions are ended before. An
    archive of csms keeps the transactions that it has, because csms deletes nothing from it. Raises
    CannotClean.
    """
    cleaned = Cleaned()
    names = dict.fromkeys([name async for name in _list_charge_points(api, prefix)])
    waiting = iter(names | dict.fromkeys(ids))

    async def work() -> None:
        for name in waiting:
            await _delete(api, name, cleaned)
            on_progress(cleaned)

    try:
        async with trio.open_nursery() as nursery:
            for _ in range(_AT_ONCE):
                nursery.start_soon(work)
    except* CannotClean as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
    cleaned.remaining = len([name async for name in _list_charge_points(api, prefix)])
    return cleaned


async def _delete(api: httpx.AsyncClient, name: str, cleaned: Cleaned) -> None:
    path = f"/charge-points/{quote(name, safe='')}"
    why = ""
    for _ in range(_TRIES):
        response = await _request(api, "DELETE", path)
        match response.status_code:
            case HTTPStatus.NO_CONTENT:
                cleaned.charge_points += 1
                return
            case HTTPStatus.NOT_FOUND:
                return
            case HTTPStatus.CONFLICT:
                cleaned.transactions_ended += await _end_transactions(api, name)
        why = _explain(response)
    if len(cleaned.failures) < _FAILURES_MAX:
        cleaned.failures.append(f"{name}: {why}")


async def _end_transactions(api: httpx.AsyncClient, name: str) -> int:
    """End the open transactions of a charge point. Return their number."""
    ended = 0
    async for item in _list(api, "/transactions", {"charge_point": name, "open": "true"}):
        id_ = quote(str(item.get("id")), safe="")
        response = await _request(api, "POST", f"/transactions/{id_}/end", {"force": True})
        ended += response.is_success
    return ended


async def _list_charge_points(api: httpx.AsyncClient, prefix: str) -> AsyncIterator[str]:
    async for item in _list(api, "/charge-points", {"prefix": prefix}):
        name = str(item.get("id"))
        number = name.removeprefix(prefix)
        if name.startswith(prefix) and len(number) == 6 and number.isascii() and number.isdecimal():
            yield name


async def _list(
    api: httpx.AsyncClient, path: str, parameters: dict[str, str]
) -> AsyncIterator[dict[str, object]]:
    cursor: str | None = None
    while True:
        asked = {**parameters, "limit": str(_PAGE)} | ({} if cursor is None else {"cursor": cursor})
        response = await _request(api, "GET", f"{path}?{httpx.QueryParams(asked)}")
        if not response.is_success:
            raise CannotClean(_explain(response))
        page = _read_page(path, response)
        for item in page.items:
            yield item
        cursor = page.next
        if cursor is None:
            return


def _read_page(path: str, response: httpx.Response) -> _Page:
    try:
        return _decode_page(response.content)
    except DECODE_ERRORS:
        raise CannotClean(
            f"the answer to GET {path} is not a list of the admin API of csms; check --admin-url"
        ) from None


async def _request(
    api: httpx.AsyncClient, method: str, path: str, body: dict[str, object] | None = None
) -> httpx.Response:
    """Send a request, and again while the central system is busy. Raises CannotClean."""
    why = ""
    for _ in range(_TRIES):
        try:
            with trio.fail_after(_REQUEST_S):
                response = await api.request(method, path, json=body)
        except (httpx.HTTPError, trio.TooSlowError) as error:
            why = str(error) or type(error).__name__
        else:
            if response.status_code not in _BUSY:
                return response
            why = _explain(response)
        await trio.sleep(_WAIT_S)
    raise CannotClean(f"the admin API did not answer {_TRIES} times ({why}); check --admin-url")


def _explain(response: httpx.Response) -> str:
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        detail = "no problem document; check --admin-url"
    return f"{response.status_code} {shorten(str(detail), 300)}"
