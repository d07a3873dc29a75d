from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
import trio

from loadtest.correctness import stored
from loadtest.correctness.stored import CannotRead, Patience, read_kept
from tests.support.mutant_client import station, time_of
from tests.support.mutant_server import MutantServer, mutant_server

SINCE = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[MutantServer]:
    """A server that refuses each third request, with transactions of three charge points."""
    with mutant_server("--busy") as found:
        for name in ("LT1", "LT2", "other"):
            with station(found.url, name) as one:
                for day in (1, 2, 3):
                    one.charge(day, range(1, 8))
        yield found


async def test_transactions_and_values_of_the_given_charge_points_are_read_page_by_page_from_a_busy_api(
    server: MutantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_PAGE", 3)
    async with server.async_api() as api:
        kept = await read_kept(api, {"LT1", "LT2"}, SINCE)
    found = [(one.charge_point, one.start.timestamp) for one in kept.transactions]
    assert sorted(found) == [(name, time_of(day, 0)) for name in ("LT1", "LT2") for day in (2, 3)]
    assert all(one.stop is not None and one.stop.timestamp == time_of(one.start.meter_start, 60)
               for one in kept.transactions)  # fmt: skip
    assert kept.values.keys() == {(one.charge_point, one.id) for one in kept.transactions}
    assert {tuple(len(texts) for texts in values.values()) for values in kept.values.values()} == {(1,) * 7}
    assert kept.unread == 0


async def test_the_values_of_a_bounded_number_of_transactions_are_read_and_the_others_are_counted(
    server: MutantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_VALUES_OF_MAX", 3)
    async with server.async_api() as api:
        first, second = [await read_kept(api, {"LT1", "LT2"}, SINCE) for _ in range(2)]
    assert (len(first.values), first.unread) == (3, 1)
    assert first.values.keys() == second.values.keys()


async def test_more_transactions_than_can_be_compared_are_not_read_to_the_end(
    server: MutantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_TRANSACTIONS_MAX", 1)
    monkeypatch.setattr(stored, "_PAGE", 2)
    async with server.async_api() as api:
        with pytest.raises(CannotRead, match=r"more than 1 transactions .*; compare a shorter run"):
            await read_kept(api, {"LT1", "LT2", "other"}, SINCE)


async def test_a_wrong_key_is_an_error_that_says_what_is_needed(server: MutantServer) -> None:
    async with server.async_api() as api:
        api.headers["Authorization"] = "Bearer wrong"
        with pytest.raises(
            CannotRead, match="answered 401 to GET /transactions; it needs the URL, the tenant"
        ):
            await read_kept(api, {"LT1"}, SINCE)


def answering(answer: httpx.Response | Exception) -> httpx.AsyncClient:
    def respond(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.AsyncClient(base_url="http://admin", transport=httpx.MockTransport(respond))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"items": [], "next": 7}, "something else than a page"),
        ({"items": 7, "next": None}, "something else than a page"),
        ({"items": [7], "next": None}, "something else than a page"),
        ({"items": []}, "something else than a page"),
        ([], "something else than a page"),
        (
            {"items": [{"charge_point": "A"}], "next": None},
            "a transaction has other members than csms writes",
        ),
        ({"items": [], "next": None, "archive": {"until": "2026-01-03T00:00:00Z"}}, "in an archive"),
        ({"items": [], "next": "x"}, "more than 200,000 transactions"),
    ],
)
async def test_answers_that_csms_does_not_give_are_errors(
    monkeypatch: pytest.MonkeyPatch, body: object, said: str
) -> None:
    monkeypatch.setattr(stored, "_LISTED_PAGES_MAX", 5)
    async with answering(httpx.Response(200, json=body)) as api:
        with pytest.raises(CannotRead, match=said):
            await read_kept(api, {"A"}, SINCE)


async def test_an_archive_of_older_transactions_does_not_matter() -> None:
    body: dict[str, object] = {"items": [], "next": None, "archive": {"until": "2026-01-01T00:00:00Z"}}
    async with answering(httpx.Response(200, json=body)) as api:
        assert (await read_kept(api, {"A"}, SINCE)).transactions == []


async def test_values_without_a_readable_time_and_those_of_the_stop_are_left_out() -> None:
    values = {"sampledValue": [{"value": "1"}], "source": "MeterValues"}
    items = [
        {**values, "timestamp": "2026-01-02T00:01:00.000Z"},
        {**values, "timestamp": "yesterday"},
        {**values, "timestamp": "2026-01-02T00:02:00.000Z", "source": "transactionData"},
    ]
    transaction = {
        "charge_point": "A/1",
        "ocpp_transaction_id": 7,
        "connector_id": 1,
        "id_tag": "TAG",
        "meter_start": None,
        "started_at": "2026-01-02T00:00:00.000Z",
        "stopped_at": None,
    }

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.raw_path.startswith(b"/transactions/A%2F1.7/meter-values?"):
            return httpx.Response(200, json={"items": items, "next": None})
        assert request.url.path == "/transactions"
        return httpx.Response(200, json={"items": [transaction], "next": None})

    async with httpx.AsyncClient(base_url="http://admin", transport=httpx.MockTransport(respond)) as api:
        kept = await read_kept(api, {"A/1"}, SINCE)
    assert kept.values == {("A/1", 7): {1_767_312_060_000: ['[{"value":"1"}]']}}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx.Response(503, headers={"Retry-After": "0"}), "status 503"),
        (httpx.Response(429, headers={"Retry-After": "nan"}), "status 429"),
        (httpx.ConnectError("away"), "ConnectError"),
    ],
)
async def test_an_admin_api_that_stays_busy_or_away_is_given_up_after_the_patience(
    answer: httpx.Response | Exception, why: str
) -> None:
    async with answering(answer) as api:
        with pytest.raises(CannotRead, match=rf"no request for 0.2 s \(the last time: {why}\)"):
            await read_kept(api, {"A"}, SINCE, patience=Patience(0.2))


async def test_a_wait_is_as_long_as_the_api_says_but_bounded(autojump_clock: trio.testing.MockClock) -> None:
    patience, begin = Patience(1_000), trio.current_time()
    for asked, waited in ((0.0, 0.1), (7.0, 7.0), (10_000.0, 30.0)):
        await patience.wait(asked, "")
        assert trio.current_time() - begin == pytest.approx(waited)
        begin = trio.current_time()
    assert autojump_clock.autojump_threshold == 0
