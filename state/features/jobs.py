"""The latest 50 firmware updates and uploads of a charge point, each with the statuses that were reported.

A status is a fact, so it is stored even if its session has lost the lease. A repeated status changes nothing.
A status that fits no job is kept as a note, because we do not guess which job it belongs to. The latest 50
notes are kept.
"""

import msgspec

from state import ids, versioned
from state.features import job_record
from state.features.job_record import Job, Message, Note
from state.keys import ChargePointKeys
from state.store import Store
from state.versioned import Change, Fields

KEPT = 50
NOTES_KEPT = 50

_NOTES = "notes"
_LAST = "last-request-id"
_encode = msgspec.json.encode


class Jobs(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs and notes of a charge point, each newest first."""

    items: list[Job]
    notes: list[Note]


async def record_answer(store: Store, keys: ChargePointKeys, job: Job) -> None:
    """Store a job once, with the charge point's answer, and end the earlier jobs that this job replaces."""

    def decide(fields: Fields) -> Change | None:
        known = _jobs(fields)
        if any(one.id == job.id for one in known):
            return None
        new = msgspec.structs.replace(job, number=max((one.number for one in known), default=0) + 1)
        changed = [after for one in known if (after := job_record.replace(new, one)) is not one]
        oldest = sorted(known, key=lambda one: one.number)[: max(0, len(known) + 1 - KEPT)]
        gone = [one.id for one in oldest]
        put = [one for one in (*changed, new) if one.id not in gone]
        return Change(
            {one.id: _encode(one) for one in put},
            gone,
            [("job.status", _event(one)) for one in (*changed, new)],
        )

    await versioned.change(store, keys, keys.jobs, decide)


async def record_status(
    store: Store,
    keys: ChargePointKeys,
    message: Message,
    status: str,
    *,
    request_id: int | None,
    received_ms: int,
) -> None:
    """Store a status that the charge point reported, with its job or as a note."""
    note = Note(message=message, request_id=request_id, status=status, received_ms=received_ms)

    def decide(fields: Fields) -> Change | None:
        find = job_record.find_ended_by_idle if status == "Idle" else job_record.find_for
        job = find(_jobs(fields), message, request_id)
        if job is None:
            return _with_note(fields, note)
        after = job_record.with_status(job, status, received_ms)
        return None if after is job else Change({job.id: _encode(after)}, (), [("job.status", _event(after))])

    await versioned.change(store, keys, keys.jobs, decide)


async def read(store: Store, tenant: str, charge_point: str) -> Jobs:
    fields = await versioned.read(store, ChargePointKeys(tenant, charge_point).jobs)
    items = sorted(_jobs(fields), key=lambda job: job.number, reverse=True)
    return Jobs(items=items, notes=_notes(fields)[::-1])


async def get(store: Store, tenant: str, charge_point: str, job_id: str) -> Job | None:
    return next((job for job in (await read(store, tenant, charge_point)).items if job.id == job_id), None)


async def delete(store: Store, tenant: str, charge_point: str, job_id: str) -> bool:
    """Delete a job. Later statuses of the job become notes. Returns False if there was no such job."""
    keys = ChargePointKeys(tenant, charge_point)

    def decide(fields: Fields) -> Change | None:
        known = any(job.id == job_id for job in _jobs(fields))
        return Change({}, [job_id]) if known else None

    return await versioned.change(store, keys, keys.jobs, decide) == "changed"


async def new_request_id(store: Store, tenant: str, charge_point: str) -> int | None:
    """Choose a request id that csms never used for this charge point, and that no stored job or note has.

    Returns None if the charge point is not registered.
    """
    keys, chosen = ChargePointKeys(tenant, charge_point), 0

    def decide(fields: Fields) -> Change | None:
        nonlocal chosen
        used = {job.request_id for job in _jobs(fields)} | {note.request_id for note in _notes(fields)}
        chosen = max(int(fields.get(_LAST, 0)) + 1, ids.least_number(store.server_time_ms()))
        while chosen in used:
            chosen += 1
        return Change({_LAST: b"%d" % chosen})

    made = await versioned.change(store, keys, keys.jobs, decide, registered=True)
    return chosen if made == "changed" else None


def _jobs(fields: Fields) -> list[Job]:
    return [
        msgspec.json.decode(value, type=Job) for name, value in fields.items() if name not in {_NOTES, _LAST}
    ]


def _notes(fields: Fields) -> list[Note]:
    return msgspec.json.decode(fields.get(_NOTES, b"[]"), type=list[Note])


def _with_note(fields: Fields, note: Note) -> Change | None:
    notes = _notes(fields)
    if notes and msgspec.structs.replace(notes[-1], received_ms=note.received_ms) == note:
        return None  # The status is a repeat. The note keeps the time of the first receipt.
    event = {"job": None, "message": note.message, "request_id": note.request_id, "status": note.status}
    return Change({_NOTES: _encode([*notes, note][-NOTES_KEPT:])}, (), [("job.status", _encode(event))])


def _event(job: Job) -> bytes:
    return _encode(
        {
            "job": job.id,
            "kind": job.kind,
            "request_id": job.request_id,
            "status": job.history[-1].status,
            "running": job.running,
        }
    )
