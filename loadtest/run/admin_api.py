"""The admin API of csms, as the operators of a run and `csms loadtest clean` use it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import trio

from gateway.ocpp16.errors import shorten
from loadtest.run.access import make_context
from loadtest.run.credentials import Secrets

GRACE_S = 10.0
"""Time for the API itself, after the time that the charge point has."""
_WORD_CHARACTERS = 60


class Ended(NamedTuple):
    """How a command ended. `id` and `status` are empty if the API gave none.

    `answer` is the status of the charge point's answer, such as `Accepted`. It is `answered` for an answer
    without a status, and None if the charge point did not answer.
    """

    http: int
    word: str
    answer: str | None
    id: str
    status: str

    @property
    def outcome(self) -> str:
        return f"{self.http} {self.word}"


@asynccontextmanager
async def open_api(secrets: Secrets, *, timeout_s: float = 60.0) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client whose base URL is that of the tenant. The client sends the key with each request."""
    async with httpx.AsyncClient(
        base_url=f"{(secrets.admin_url or '').rstrip('/')}/v1/tenants/{secrets.tenant}",
        headers={"Authorization": f"Bearer {secrets.api_key}"},
        timeout=timeout_s,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
        verify=make_context(secrets.ca_file),
        trust_env=False,
    ) as client:
        yield client


@asynccontextmanager
async def open_apis(secrets: Secrets, number: int) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Open several clients, because one searches all its connections at each request."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_api(secrets)) for _ in range(number)]


async def send_command(
    api: httpx.AsyncClient, charge_point: str, action: str, payload: dict[str, Any], timeout_s: float
) -> Ended:
    """Send a command, and wait for the answer of the charge point."""
    path = f"/charge-points/{quote(charge_point, safe='')}/commands/{quote(action, safe='')}"
    parameters = {"timeout": f"{timeout_s:g}"}
    within_s = timeout_s + GRACE_S
    try:
        with trio.fail_after(within_s):  # The timeout of httpx is for each part of the answer.
            response = await api.post(path, json=payload, params=parameters, timeout=within_s)
        body = response.json()
    except (httpx.HTTPError, trio.TooSlowError, ValueError, RecursionError) as error:
        return Ended(0, f"no answer ({type(error).__name__})", None, "", "")
    if not isinstance(body, dict):
        return Ended(response.status_code, "not an object", None, "", "")
    return _read(response.status_code, body)


def _read(http: int, body: dict[str, Any]) -> Ended:
    id_, status = _word(body.get("id")), _word(body.get("status"))
    if http == 200:
        answered = body.get("response")
        word = _word(answered.get("status")) if isinstance(answered, dict) else ""
        return Ended(http, word or "answered", word or "answered", id_, status)
    if http == 202:
        return Ended(http, status, None, id_, status)
    command = body.get("command")
    status = _word(command.get("status")) if isinstance(command, dict) else ""
    return Ended(http, _word(body.get("type")).rpartition(":")[2], None, id_, status)


def _word(value: object) -> str:
    return shorten(value, _WORD_CHARACTERS) if isinstance(value, str) else ""
