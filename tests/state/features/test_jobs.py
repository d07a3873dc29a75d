"""Jobs in the store are limited in number, stored once, and changed only by statuses that certainly belong to
them.
"""

from typing import Any

import msgspec
import trio

from state import ids
from state.features import job_record, jobs
from state.features import job_record as job_record_module
from state.features.job_record import Job
from state.features.jobs import KEPT, NOTES_KEPT
from state.keys import ChargePointKeys
from state.store import Store
from tests.support.leases import events

KEYS = ChargePointKeys("acme", "CP-1")
SIGNED: job_record_module.Message = "SignedFirmwareStatusNotification"
PLAIN: job_record_module.Message = "FirmwareStatusNotification"


def a_job(
    id_: str,
    kind: job_record_module.Kind = "SignedUpdateFirmware",
    status: str = "Accepted",
    request_id: int | None = 7,
) -> Job:
    return job_record.begin(
        id_,
        kind,
        status,
        1_000,
        request_id=request_id,
        payload=b'{"location":"ftp://h/x"}',
        file_name=None,
    )


async def report(
    store: Store,
    message: job_record_module.Message,
    status: str,
    request_id: int | None = None,
    at: int = 2_000,
) -> None:
    await jobs.record_status(store, KEYS, message, status, request_id=request_id, received_ms=at)


async def job_events(store: Store) -> list[dict[str, Any]]:
    return [data for kind, data in await events(store) if kind == "job.status"]


async def read_all(store: Store) -> jobs.Jobs:
    return await jobs.read(store, "acme", "CP-1")


async def test_a_job_is_stored_once_and_then_gets_the_statuses_that_are_reported_for_the_job(
    store: Store,
) -> None:
    assert await read_all(store) == jobs.Jobs(items=[], notes=[])
    for _ in range(2):  # After an outage the outcome is stored again.
        await jobs.record_answer(store, KEYS, a_job("a"))
    await report(store, SIGNED, "Downloading", 7)
    await report(store, SIGNED, "Downloading", 7)
    await report(store, SIGNED, "Installed", 7, at=3_000)
    [job] = (await read_all(store)).items
    assert (job.id, job.number, job.status, job.ended_ms) == ("a", 1, "Installed", 3_000)
    assert [(state.status, state.received_ms) for state in job.history] == [
        ("Accepted", 1_000),
        ("Downloading", 2_000),
        ("Installed", 3_000),
    ]
    assert msgspec.json.decode(job.payload) == {"location": "ftp://h/x"}
    assert await job_events(store) == [
        {"job": "a", "kind": "SignedUpdateFirmware", "request_id": 7, "status": status, "running": running}
        for status, running in (("Accepted", True), ("Downloading", True), ("Installed", False))
    ]
    assert await jobs.get(store, "acme", "CP-1", "a") == job
    assert await jobs.get(store, "acme", "CP-1", "b") is None


async def test_an_earlier_job_is_ended_in_the_same_step_that_stores_a_later_job(store: Store) -> None:
    await jobs.record_answer(store, KEYS, a_job("a"))
    await jobs.record_answer(store, KEYS, a_job("b", status="AcceptedCanceled", request_id=8))
    await jobs.record_answer(store, KEYS, a_job("c", "GetLog", request_id=8))
    items = (await read_all(store)).items
    assert [(job.id, job.status, job.running) for job in items] == [
        ("c", "Accepted", True),
        ("b", "AcceptedCanceled", True),
        ("a", "Canceled", False),
    ]
    assert [(data["job"], data["status"]) for data in await job_events(store)] == [
        ("a", "Accepted"),
        ("a", "Canceled"),
        ("b", "AcceptedCanceled"),
        ("c", "Accepted"),
    ]


async def test_a_status_that_fits_no_job_is_kept_in_a_list_of_notes(store: Store) -> None:
    await jobs.record_answer(store, KEYS, a_job("a"))
    await report(store, SIGNED, "Downloading", 8)
    await report(store, SIGNED, "Downloading", 8, at=2_500)  # A repeat.
    await report(store, SIGNED, "Downloading")
    await report(store, PLAIN, "Installed")
    await report(store, "LogStatusNotification", "Uploaded", 7)
    found = await read_all(store)
    assert found.items[0].history[-1].status == "Accepted"
    assert [(note.message, note.request_id, note.status) for note in found.notes] == [
        ("LogStatusNotification", 7, "Uploaded"),
        (PLAIN, None, "Installed"),
        (SIGNED, None, "Downloading"),
        (SIGNED, 8, "Downloading"),
    ]
    assert found.notes[-1].received_ms == 2_000
    assert (await job_events(store))[-1] == {
        "job": None,
        "message": "LogStatusNotification",
        "request_id": 7,
        "status": "Uploaded",
    }


async def test_the_status_idle_is_kept_in_the_list_of_notes_and_changes_no_job(store: Store) -> None:
    await jobs.record_answer(store, KEYS, a_job("a"))
    await jobs.record_answer(store, KEYS, a_job("b", "UpdateFirmware", request_id=None))
    await report(store, SIGNED, "Idle", 7)
    await report(store, PLAIN, "Idle")
    found = await read_all(store)
    assert {job.status for job in found.items} == {"Accepted"}
    assert [note.status for note in found.notes] == ["Idle", "Idle"]


async def test_the_status_idle_ends_a_job_that_had_reported_progress(store: Store) -> None:
    await jobs.record_answer(store, KEYS, a_job("b", "UpdateFirmware", request_id=None))
    await report(store, PLAIN, "Installing")
    await report(store, PLAIN, "Idle")
    [job] = (await read_all(store)).items
    assert (job.status, job.running) == ("Idle", False)
    await report(store, PLAIN, "Installed")
    [job] = (await read_all(store)).items
    assert (job.status, job.running) == ("Installed", False)


async def test_only_the_latest_50_jobs_and_the_latest_50_notes_are_kept(store: Store) -> None:
    for n in range(KEPT + 5):
        await jobs.record_answer(store, KEYS, a_job(f"j{n}", request_id=n))
    for n in range(NOTES_KEPT + 5):
        await report(store, SIGNED, "Downloading", 1_000 + n)
    await report(store, SIGNED, "Downloading", 4)  # The job with this request id was removed to make room.
    found = await read_all(store)
    assert [job.id for job in found.items] == [f"j{n}" for n in range(KEPT + 4, 4, -1)]
    assert [note.request_id for note in found.notes] == [4, *range(1_054, 1_005, -1)]


async def test_statuses_that_arrive_after_the_deletion_of_their_job_are_kept_in_the_list_of_notes(
    store: Store,
) -> None:
    await jobs.record_answer(store, KEYS, a_job("a"))
    assert not await jobs.delete(store, "acme", "CP-1", "notes")
    assert await jobs.delete(store, "acme", "CP-1", "a")
    assert not await jobs.delete(store, "acme", "CP-1", "a")
    await report(store, SIGNED, "Installed", 7)
    found = await read_all(store)
    assert (found.items, [note.status for note in found.notes]) == ([], ["Installed"])


async def test_a_new_request_id_was_neither_given_out_before_nor_used_in_a_job_or_note(
    store: Store,
) -> None:
    await store.execute("HSET", KEYS.record, "registered_ms", 1)
    first = await jobs.new_request_id(store, "acme", "CP-1")
    assert first is not None
    assert abs(first - ids.least_number(store.server_time_ms())) <= 1
    await jobs.record_answer(store, KEYS, a_job("a", request_id=first + 1))
    await report(store, SIGNED, "Installed", first + 2)
    given = [first, *[await jobs.new_request_id(store, "acme", "CP-1") or 0 for _ in range(5)]]
    assert len(set(given)) == 6
    assert given == sorted(given)
    assert not {first + 1, first + 2} & set(given)


async def test_jobs_and_statuses_that_arrive_at_the_same_time_are_all_stored(store: Store) -> None:
    await jobs.record_answer(store, KEYS, a_job("a"))
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for n in range(6):
                nursery.start_soon(jobs.record_answer, store, KEYS, a_job(f"j{n}", "GetLog", request_id=n))
                nursery.start_soon(report, store, SIGNED, f"Status{n}", 7)
    items = (await read_all(store)).items
    assert len(items) == 7
    assert sorted(job.number for job in items) == list(range(1, 8))
    [job] = [job for job in items if job.id == "a"]
    assert {state.status for state in job.history[1:]} == {f"Status{n}" for n in range(6)}
