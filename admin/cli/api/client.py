"""A client of the admin API whose errors are sentences for people."""

import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec
import trio

from admin.cli.api import profiles
from admin.cli.api.errors import Busy, Refused, explaining
from admin.cli.api.options import Bounds, Options
from admin.cli.api.output import warn
from admin.cli.api.profiles import Server
from admin.cli.failures import CommandRefused, report_failures

_TIMEOUT = httpx.Timeout(60, connect=10)
_PAGE = 1000
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Client:
    def __init__(self, server: Server, http: httpx.AsyncClient) -> None:
        self.server = server
        self.http = http

    def of_tenant(self, *parts: str) -> str:
        """Return the path of a resource of the tenant; each part is encoded. Raises CommandRefused."""
        if self.server.tenant is None:
            raise CommandRefused("no tenant is named; give --tenant, or write it into the profile")
        names = ("v1", "tenants", self.server.tenant, *parts)
        return "/" + "/".join(_encode(name) for name in names)

    async def get(self, path: str, **query: Any) -> Any:
        return (await self.ask("GET", path, **query)).json()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        timeout_s: float | None = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> httpx.Response:
        """Send a request, and return the answer if it is a success. Raises Refused, TryAgain."""
        content = None if body is None else msgspec.json.encode(body)
        type_ = {} if body is None else {"Content-Type": "application/json"}
        request = self.http.build_request(
            method,
            path,
            params=_spell(query),
            content=content,
            headers={**type_, **(headers or {})},
            timeout=_TIMEOUT if timeout_s is None else httpx.Timeout(timeout_s, connect=10),
        )
        with explaining(self.server.url):
            response = await self.http.send(request)
        return self.check(response)

    @asynccontextmanager
    async def stream(
        self, path: str, waits: httpx.Timeout, headers: dict[str, str], **query: Any
    ) -> AsyncIterator[httpx.Response]:
        """Send a request, and yield the answer before its body is read, if it is a success.

        Raises Refused, and TryAgain, also if the body breaks off while the block reads it.
        """
        with explaining(self.server.url):
            async with self.http.stream(
                "GET", path, params=_spell(query), headers=headers, timeout=waits
            ) as response:
                if not response.is_success:
                    await response.aread()
                yield self.check(response)

    async def read_list(self, path: str, bounds: Bounds, **query: Any) -> AsyncIterator[dict[str, Any]]:
        """Yield the items of a list, page by page, and say on stderr if the bounds leave items out."""
        left, cursor = bounds.limit, None
        while True:
            limit = _PAGE if bounds.all else min(left, _PAGE)
            page = await self.get(path, **query, limit=limit, cursor=cursor)
            for item in page["items"]:
                yield item
            left -= len(page["items"])
            cursor = page.get("next")
            if cursor is None:
                return
            if left <= 0 and not bounds.all:
                warn(f"these are the first {bounds.limit} items, and there are more; give --limit or --all")
                return

    async def refuse_if_old(self, path: str) -> None:
        """Raise CommandRefused if the server does not know the route `path`, a template of its document."""
        known = await self.get("/openapi.json")
        if path not in known["paths"]:
            raise CommandRefused(f"the server at {self.server.url} is too old for this: it has no {path}")

    def check(self, response: httpx.Response) -> httpx.Response:
        """Return the response of a request that succeeded. Raises Refused, Busy."""
        if response.is_success:
            return response
        try:
            problem = response.json()
            detail = str(problem["detail"])
        except (ValueError, KeyError, TypeError):
            raise Refused(
                f"{response.request.url.copy_with(query=None)} answered {response.status_code} without "
                "saying why; is this the address of an admin API?",
                response.status_code,
                {},
            ) from None
        if response.status_code == httpx.codes.UNAUTHORIZED:
            detail = (
                f"the server refused the API key in {self.server.key_from}; use another key, or make one "
                "with csms api-key create"
            )
        elif others := [one["detail"] for one in problem.get("errors", ())[1:5] if "detail" in one]:
            detail = " ".join([detail, *others])
        if isinstance(command := problem.get("id"), str):
            detail = f"{detail} (command {command})"
        if response.status_code == httpx.codes.NOT_FOUND and self.server.tenant is not None:
            detail = f"{detail} (tenant {self.server.tenant}, {self.server.url})"
        if response.status_code in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}:
            raise Busy(detail, _seconds(response.headers.get("Retry-After")))
        raise Refused(detail, response.status_code, problem)


class _Bearer(httpx.Auth):
    """Sends the API key. With an explicit Auth, httpx does not look into ~/.netrc."""

    def __init__(self, key: str) -> None:
        self._value = f"Bearer {key}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = self._value
        yield request


def with_server(command: str, options: Options, work: Callable[[Client], Awaitable[None]]) -> None:
    """Run `work` with a client of the server that the options name."""
    # With the default action, Ctrl-C would leave half a file, and a terminal without its cursor.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupted = False
    try:
        with report_failures(f"csms {command}"):
            server = profiles.choose(options.profile, options.data_dir, options.tenant, os.environ)
            trio.run(_run, server, work)
    except* KeyboardInterrupt:
        interrupted = True
    if interrupted:
        sys.exit(128 + signal.SIGINT)


@asynccontextmanager
async def open_client(server: Server) -> AsyncIterator[Client]:
    """Open a client. Raises CommandRefused if the file of authorities cannot be read."""
    loopback = urlsplit(server.url).hostname in _LOOPBACK
    async with httpx.AsyncClient(
        base_url=server.url,
        auth=_Bearer(server.api_key),
        verify=_trust(server),
        # A proxy of the environment cannot reach a server on this machine.
        trust_env=not loopback,
        limits=httpx.Limits(max_connections=32),
    ) as http:
        yield Client(server, http)


async def _run(server: Server, work: Callable[[Client], Awaitable[None]]) -> None:
    async with open_client(server) as client:
        await work(client)


def _trust(server: Server) -> ssl.SSLContext | bool:
    if not server.url.startswith("https:"):
        return False  # Loading the authorities of the system takes 20 ms.
    if server.ca_file is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=server.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise CommandRefused(
            f"cannot read certificates from {server.ca_file} ({error.strerror or error}); name a PEM file"
        ) from None


def _encode(name: str) -> str:
    # httpx would remove "." and ".." from the path, even as names.
    return {".": "%2E", "..": "%2E%2E"}.get(name) or quote(name, safe="")


def _spell(query: dict[str, Any]) -> dict[str, str]:
    given = {name: of for name, of in query.items() if of is not None}
    return {name: str(of).lower() if isinstance(of, bool) else str(of) for name, of in given.items()}


def _seconds(text: str | None) -> float:
    return min(float(text), 60.0) if text and text.isdecimal() else 2.0
