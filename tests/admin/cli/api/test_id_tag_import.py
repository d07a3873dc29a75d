"""An import whose server is busy, breaks off, or refuses rows."""

from collections.abc import Callable

import httpx
import pytest
from trio.testing import MockClock

from admin.cli.api.client import Client
from admin.cli.api.errors import Refused, TryAgain
from admin.cli.api.id_tag_import import Outcome, import_rows
from admin.cli.api.id_tag_rows import IdTagRow, WrongRow
from admin.cli.api.profiles import Server

ROWS = [
    IdTagRow(
        number=number,
        tag=f"T{number:03}",
        status="Accepted",
        expiry_date=None,
        parent_id_tag=None,
        max_active_transactions=None,
    )
    for number in range(2, 102)
]


class Tags:
    """A server with a list of id tags, which answers each PUT as the test says."""

    def __init__(self, answer: Callable[[str, int], httpx.Response | None]) -> None:
        self.stored = dict[str, bytes]()
        self.tried = dict[str, int]()
        self._answer = answer

    def __call__(self, request: httpx.Request) -> httpx.Response:
        tag = request.url.path.rpartition("/")[2]
        if request.method == "GET":
            default = {"status": "Accepted", "expiry_date": None, "parent_id_tag": None}
            items = [{"tag": tag, "max_active_transactions": None, **default} for tag in self.stored]
            return httpx.Response(200, json={"items": items, "next": None})
        self.tried[tag] = self.tried.get(tag, 0) + 1
        other = self._answer(tag, self.tried[tag])
        if other is None:
            self.stored[tag] = request.content
        return other or httpx.Response(201, json={})


async def run(server: Tags) -> tuple[Outcome, list[WrongRow]]:
    http = httpx.AsyncClient(base_url="http://x", transport=httpx.MockTransport(server))
    client = Client(Server(url="http://x", api_key="k", key_from="", tenant="t"), http)
    wrong = list[WrongRow]()
    return await import_rows(client, ROWS, dry_run=False, report=wrong.append), wrong


async def test_a_busy_server_is_tried_again_after_the_time_that_it_names(autojump_clock: MockClock) -> None:
    def is_busy_once(_tag: str, attempt: int) -> httpx.Response | None:
        busy = httpx.Response(503, json={"detail": "Away."}, headers={"Retry-After": "9"})
        return busy if attempt == 1 else None

    server = Tags(is_busy_once)
    outcome, wrong = await run(server)
    assert (outcome, wrong) == (Outcome(created=100), [])
    assert set(server.tried.values()) == {2}
    assert 9 <= autojump_clock.current_time() < 100


async def test_an_import_that_broke_off_goes_on_with_the_rest(autojump_clock: MockClock) -> None:
    up, began = False, autojump_clock.current_time()

    def breaks_after_fifty(_tag: str, _attempt: int) -> httpx.Response | None:
        if not up and len(server.stored) == 50:
            raise httpx.ReadError("broke")
        return None

    server = Tags(breaks_after_fifty)
    with pytest.raises(TryAgain, match=r"broke.*50 of 100 rows were sent; run the command again to go on"):
        await run(server)
    assert autojump_clock.current_time() > began
    up, first = True, set(server.stored)
    server.tried.clear()
    assert await run(server) == (Outcome(created=50, unchanged=50), [])
    assert set(server.tried) == {row.tag for row in ROWS} - first
    assert set(server.tried.values()) == {1}


async def test_a_row_that_the_server_refuses_is_reported_and_the_others_are_sent() -> None:
    def refuses_one(tag: str, _attempt: int) -> httpx.Response | None:
        return httpx.Response(422, json={"detail": "Not this one."}) if tag == "T007" else None

    assert await run(Tags(refuses_one)) == (
        Outcome(created=99, refused=1),
        [WrongRow(row=7, tag="T007", reason="Not this one.")],
    )


async def test_a_key_that_is_refused_ends_the_import() -> None:
    server = Tags(lambda _tag, _attempt: httpx.Response(401, json={"detail": "no"}))
    with pytest.raises(Refused, match="0 of 100 rows were sent"):
        await run(server)
    assert len(server.tried) < 100
