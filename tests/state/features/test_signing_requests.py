"""A signing request is decided once, whatever several admin processes do at the same time."""

from typing import Any

import msgspec
import pytest
import trio

from state import keys as key_names
from state import versioned
from state.features import signing_requests
from state.features.signing_requests import Due, Issued, SigningRequest
from state.keys import ChargePointKeys
from state.store import Store
from tests.support.leases import KEYS, claimed, events

FIRST = SigningRequest(csr="one", subject="CN=1", key="RSA 2048", received_ms=1)
SECOND = SigningRequest(csr="two", subject="CN=1", key="EC secp256r1", received_ms=2)
ISSUED = Issued("ab", "CN=ca", 99, "PEM")


async def stored(store: Store) -> SigningRequest | None:
    return await signing_requests.get(store, "acme", "CP-1")


async def claim_due(store: Store) -> Due:
    """Take the only charge point of the queue."""
    [due] = await signing_requests.claim_due(store)
    return due


async def kinds(store: Store) -> list[str]:
    found = [kind for kind, _ in await events(store)]
    return [kind for kind in found if kind.startswith("certificate_request")]


async def test_the_last_certificate_signing_request_is_kept_and_repeating_it_changes_nothing(
    store: Store,
) -> None:
    assert await stored(store) is None
    await signing_requests.record(store, KEYS, FIRST)
    await signing_requests.record(store, KEYS, msgspec.structs.replace(FIRST, received_ms=9))
    assert await stored(store) == FIRST
    await signing_requests.record(store, KEYS, SECOND)
    await signing_requests.report_refused(store, KEYS, "Its key is weak.")
    assert await stored(store) == SECOND
    assert await events(store) == [
        ("certificate_request.received", {"subject": "CN=1", "key": "RSA 2048"}),
        ("certificate_request.received", {"subject": "CN=1", "key": "EC secp256r1"}),
        ("certificate_request.refused", {"why": "Its key is weak."}),
    ]


async def test_the_same_signing_request_is_a_new_request_after_its_chain_was_sent(store: Store) -> None:
    await claimed(store, "a/1")
    await signing_requests.record(store, KEYS, FIRST)
    await signing_requests.record_signed(store, KEYS, FIRST.id, ISSUED)
    again = msgspec.structs.replace(FIRST, received_ms=9)
    await signing_requests.record(store, KEYS, again)
    signed = await stored(store)
    assert signed is not None
    assert (signed.id, signed.status) == (FIRST.id, "signed")
    await signing_requests.record_sent(store, KEYS, FIRST.id, "command")
    await signing_requests.record(store, KEYS, again)
    assert await stored(store) == again


async def test_only_the_first_of_several_chains_that_are_signed_for_a_request_at_once_is_stored(
    store: Store,
) -> None:
    await claimed(store, "a/1")
    await signing_requests.record(store, KEYS, FIRST)
    results: list[SigningRequest | None] = []

    async def sign(number: int) -> None:
        issued = ISSUED._replace(serial_number=f"{number:x}", chain=f"chain {number}")
        results.append(await signing_requests.record_signed(store, KEYS, FIRST.id, issued))

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(sign, number)
    assert len(results) == 8
    assert len({one and one.chain for one in results}) == 1
    assert results[0] == await stored(store)


async def test_work_on_a_replaced_signing_request_changes_nothing(store: Store) -> None:
    await claimed(store, "a/1")
    await signing_requests.record(store, KEYS, SECOND)
    assert await signing_requests.record_signed(store, KEYS, FIRST.id, ISSUED) is None
    assert await signing_requests.record_failed(store, KEYS, FIRST.id, "why") is None
    assert await signing_requests.approve(store, KEYS, FIRST.id, 5) is None
    assert await signing_requests.reject(store, KEYS, FIRST.id) is None
    assert await stored(store) == SECOND


@pytest.mark.parametrize("first", ["reject", "sign"])
async def test_a_signing_request_is_either_signed_or_rejected_by_whoever_comes_first(
    store: Store, first: str
) -> None:
    await claimed(store, "a/1")
    await signing_requests.record(store, KEYS, FIRST)
    steps = {
        "reject": lambda: signing_requests.reject(store, KEYS, FIRST.id),
        "sign": lambda: signing_requests.record_signed(store, KEYS, FIRST.id, ISSUED),
    }
    await steps.pop(first)()
    await steps.popitem()[1]()
    found = await stored(store)
    assert found is not None
    assert found.status == {"reject": "rejected", "sign": "signed"}[first]
    assert bool(found.chain) == (first == "sign")


async def test_an_operator_can_approve_a_signing_request_that_failed_or_was_rejected_or_sent(
    store: Store,
) -> None:
    await claimed(store, "a/1")
    await signing_requests.record(store, KEYS, FIRST)
    await signing_requests.record_failed(store, KEYS, FIRST.id, "There is no authority.")
    failed = await stored(store)
    assert failed is not None
    assert (failed.status, failed.problem) == ("failed", "There is no authority.")
    approved = await signing_requests.approve(store, KEYS, FIRST.id, 7)
    assert approved is not None
    assert (approved.status, approved.problem, approved.since_ms) == ("approved", "", 7)
    await signing_requests.reject(store, KEYS, FIRST.id)
    await signing_requests.approve(store, KEYS, FIRST.id, 8)
    await signing_requests.record_signed(store, KEYS, FIRST.id, ISSUED)
    await signing_requests.record_sent(store, KEYS, FIRST.id, "command 0")
    again = await signing_requests.approve(store, KEYS, FIRST.id, 9)
    assert again is not None
    assert (again.status, again.chain, again.attempt) == ("signed", "PEM", 1)
    assert await kinds(store) == [
        "certificate_request.received",
        "certificate_request.failed",
        "certificate_request.rejected",
    ]


async def test_a_new_attempt_to_send_a_chain_is_counted_once(store: Store) -> None:
    await claimed(store, "a/1")
    await signing_requests.record(store, KEYS, FIRST)
    await signing_requests.record_signed(store, KEYS, FIRST.id, ISSUED)
    for _ in range(2):
        await signing_requests.begin_attempt(store, KEYS, FIRST.id, 0)
    found = await stored(store)
    assert found is not None
    assert found.attempt == 1


async def test_a_charge_point_in_the_queue_is_taken_by_one_process_and_is_due_again_if_that_one_dies(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_requests, "CLAIM_MS", 0)
    await signing_requests.enqueue(store, KEYS)
    assert await signing_requests.claim_due(store, grace_ms=60_000) == []
    [dead] = await signing_requests.claim_due(store)
    assert dead.keys.member == KEYS.member
    [due] = await signing_requests.claim_due(store)
    monkeypatch.setattr(signing_requests, "CLAIM_MS", 60_000)
    [due] = await signing_requests.claim_due(store)
    assert await signing_requests.claim_due(store) == []
    await signing_requests.settle_due(store, dead, None)  # A claim that was lost settles nothing.
    assert await store.execute("ZCARD", key_names.SIGNING_QUEUE) == 1
    await signing_requests.settle_due(store, due, 0)
    [due] = await signing_requests.claim_due(store)
    await signing_requests.enqueue(store, KEYS)  # The charge point sends another request meanwhile.
    await signing_requests.settle_due(store, due, None)
    [due] = await signing_requests.claim_due(store)
    await signing_requests.settle_due(store, due, None)
    assert await store.execute("ZCARD", key_names.SIGNING_QUEUE) == 0


@pytest.mark.parametrize("wrong_ms", [-3_600_000, 400, 3_600_000])
async def test_a_charge_point_in_the_queue_is_due_at_once_although_a_process_knows_the_servers_clock_badly(
    store: Store, wrong_ms: int
) -> None:
    store.clock.offset_ms += wrong_ms
    await signing_requests.enqueue(store, KEYS)
    assert await signing_requests.claim_due(store, grace_ms=60_000) == []
    assert (await claim_due(store)).keys.member == KEYS.member


async def test_the_queue_goes_on_after_the_servers_clock_was_set_back(store: Store) -> None:
    await signing_requests.enqueue(store, KEYS)
    await signing_requests.settle_due(store, await claim_due(store), signing_requests.LATER_MS_MAX)
    assert await signing_requests.claim_due(store) == []
    await store.execute("ZINCRBY", key_names.SIGNING_QUEUE, 3_600_000, KEYS.member)
    assert await signing_requests.claim_due(store, grace_ms=60_000) == []
    assert (await claim_due(store)).keys.member == KEYS.member


@pytest.mark.parametrize("put", ["record", "approve"])
async def test_an_admin_process_that_looks_before_the_request_is_stored_does_not_take_it_out_of_the_queue(
    store: Store, put: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await claimed(store, "a/1")
    if put == "approve":
        await signing_requests.record(store, KEYS, FIRST)
        await signing_requests.settle_due(store, await claim_due(store), None)
    change = versioned.change

    async def change_late(*args: Any, **options: Any) -> versioned.Outcome:
        early = await claim_due(store)
        await signing_requests.settle_due(store, early, None)
        return await change(*args, **options)

    monkeypatch.setattr(versioned, "change", change_late)
    if put == "approve":
        await signing_requests.approve(store, KEYS, FIRST.id, 7)
    else:
        await signing_requests.record(store, KEYS, FIRST)
    assert (await claim_due(store)).keys.member == KEYS.member


async def test_the_queue_gives_at_most_the_wanted_number_of_charge_points(store: Store) -> None:
    for number in range(5):
        await signing_requests.enqueue(store, ChargePointKeys("a/b", f"CP {number}"))
    taken = [await signing_requests.claim_due(store, limit=3) for _ in range(3)]
    assert list(map(len, taken)) == [3, 2, 0]
    assert {due.keys.tenant for some in taken for due in some} == {"a/b"}


async def test_a_signing_request_without_a_status_is_read_as_one_that_waits(store: Store) -> None:
    """Earlier versions stored only the first four fields."""
    old = b'{"csr":"one","subject":"CN=1","key":"RSA 2048","received_ms":1}'
    await store.execute("HSET", KEYS.certificates, "request", old)
    assert await stored(store) == FIRST
    assert await signing_requests.forget(store, KEYS)
    assert not await signing_requests.forget(store, KEYS)
