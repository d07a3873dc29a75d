"""Handshakes of many charge points that connect at the same time."""

import socket
from contextlib import ExitStack, closing
from functools import partial
from urllib.parse import urlsplit

import pytest
import trio

from gateway.admission.rate import SOONEST_S, Place, Rate
from state import charge_points
from state.charge_points import refusals
from state.errors import StoreUnavailable
from state.store import Store
from tests.support.inner_gateway import inner_gateway
from tests.support.raw_upgrade import Answer, dial, read_answer, request, upgrade


async def ask(url: str) -> Answer:
    return await trio.to_thread.run_sync(partial(upgrade, url))


def open_connection(url: str) -> socket.socket:
    sock = dial(url)
    sock.sendall(request(urlsplit(url).path))
    assert read_answer(sock).status == 101
    return sock


async def test_a_charge_point_beyond_the_rate_gets_a_time_to_come_back_and_costs_the_store_nothing(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = Rate(2, 1_000)
    async with inner_gateway(store, redis_url, rate=rate) as gateway:
        with monkeypatch.context() as no_turn_comes:
            no_turn_comes.setattr(rate, "admit", lambda _now: rate.refuse(0.0))

            async def fail(*_: object) -> object:
                raise StoreUnavailable("nobody may ask the store now")

            no_turn_comes.setattr(charge_points, "get_with_token", fail)
            answers = [await ask(f"{gateway.url}/CP-9") for _ in range(5)]
        assert [answer.status for answer in answers] == [503] * 5
        waits = [int(answer.headers["retry-after"]) for answer in answers]
        assert waits == [SOONEST_S + extra for extra in (0, 1, 1, 2, 2)]
        assert f"Try again in {SOONEST_S} s." in answers[0].body
        assert gateway.node.telemetry.refusals["busy"] == 5
        await gateway.node.refusals.write()
        assert await refusals.read(store, "t", "CP-9") == []
        assert (await ask(f"{gateway.url}/CP-9")).status == 101


async def test_charge_points_beyond_a_burst_are_served_one_after_the_other_and_none_is_refused(
    store: Store, redis_url: str
) -> None:
    async with inner_gateway(store, redis_url, rate=Rate(20, 1_000)) as gateway:
        statuses = list[int]()

        async def connect(number: int) -> None:
            statuses.append((await ask(f"{gateway.url}/CP-{number}")).status)

        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(connect, number)
        assert statuses == [101] * 40


async def test_a_request_that_is_refused_for_its_address_takes_no_turn(store: Store, redis_url: str) -> None:
    rate = Rate(1, 1)
    async with inner_gateway(store, redis_url, failures=1, of_address=1_000, rate=rate) as gateway:
        root = gateway.url.rpartition("/")[0]
        assert (await ask(f"{root}/wrong-token/CP-1")).status == 401
        with trio.fail_after(60):
            for _ in range(30):
                assert (await ask(f"{root}/wrong-token/CP-1")).status == 429
        place = rate.admit(trio.current_time())
        assert isinstance(place, Place)
        assert place.wait_s == 0.0


async def test_a_charge_point_that_leaves_while_it_waits_costs_the_store_nothing_and_gives_its_turn_back(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = Rate(2, 1_000)
    async with inner_gateway(store, redis_url, rate=rate) as gateway:
        asked, read = list[str](), charge_points.get_with_token

        async def note(store_: Store, pepper: bytes, tenant: str, token: str, charge_point: str) -> object:
            asked.append(charge_point)
            return await read(store_, pepper, tenant, token, charge_point)

        monkeypatch.setattr(charge_points, "get_with_token", note)
        given_back = list[int]()
        monkeypatch.setattr(rate, "give_back", lambda: given_back.append(1))
        for _ in range(3):
            assert isinstance(rate.admit(trio.current_time()), Place)
        for url in (f"{gateway.url}/gone", f"{gateway.url}/stays"):
            sock = await trio.to_thread.run_sync(dial, url)
            sock.sendall(request(urlsplit(url).path))
            if url.endswith("gone"):
                sock.close()
            else:
                with closing(sock):
                    assert (await trio.to_thread.run_sync(read_answer, sock)).status == 101
        assert (asked, given_back) == (["stays"], [1])


async def test_an_open_session_takes_no_place_of_a_handshake(store: Store, redis_url: str) -> None:
    rate = Rate(0, 1)
    async with inner_gateway(store, redis_url, rate=rate) as gateway:
        with ExitStack() as stack:
            for number in range(3):
                url = f"{gateway.url}/CP-{number}"
                stack.enter_context(closing(await trio.to_thread.run_sync(open_connection, url)))
            assert rate.serving == 0


async def test_a_refused_handshake_takes_no_place(store: Store, redis_url: str) -> None:
    rate = Rate(1, 1)
    async with inner_gateway(store, redis_url, rate=rate) as gateway:
        root = gateway.url.rpartition("/")[0]
        for _ in range(3):
            assert (await ask(f"{root}/wrong-token/CP-1")).status == 401
        assert rate.serving == 0
        assert (await ask(f"{gateway.url}/CP-1")).status == 101


async def test_a_handshake_that_waits_for_the_store_takes_a_place(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, asked, answer = charge_points.get_with_token, trio.Event(), trio.Event()

    async def wait(*arguments: object) -> object:
        asked.set()
        await answer.wait()
        return await read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(charge_points, "get_with_token", wait)
    async with inner_gateway(store, redis_url, rate=Rate(0, 1)) as gateway, trio.open_nursery() as nursery:
        nursery.start_soon(ask, f"{gateway.url}/CP-1")
        await asked.wait()
        assert (await ask(f"{gateway.url}/CP-2")).status == 503
        answer.set()
