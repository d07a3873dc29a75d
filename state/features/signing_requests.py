"""Signing requests of charge points (SignCertificate), and the certificate chain that answers each of them.

A charge point has one request, which is a field of its hash `certificates`. These are the statuses of a
request, each with the actor that sets it.

`waiting`: a gateway stored the request. `approved`: an operator wants the request signed. `signed`: an admin
process signed the request, and the chain waits for the charge point. `sent`: the command CertificateSigned
was sent. `failed`: csms gave up, and `problem` says why. `rejected`: an operator wants no certificate.

Each change is decided in one step of the store. If two admin processes sign a request at once, the first
chain is stored and the second is thrown away. A request has an id, so work on a request never changes a newer
one.

The queue lists the charge points whose request needs work by an admin process. A charge point is added before
its request is stored, so that no stored request is forgotten if the process dies. It is added again
afterwards, because an admin process may have looked in between, found nothing to do, and taken it out of the
queue. All functions raise StoreUnavailable.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from state import ids, versioned
from state import keys as key_names
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants.tenants import SecurityProfile
from state.versioned import Change, Fields

type RequestStatus = Literal["waiting", "approved", "signed", "sent", "failed", "rejected"]

ATTEMPTS = 10
"""Number of commands after which csms gives up to send a chain that no command could deliver."""
AT_ONCE = 100
CLAIM_MS = 10_000
"""Time after which another admin process takes over the work of one that has died."""
LATER_MS_MAX = 60_000
"""Longest time after which an admin process looks at a request again."""

_REQUEST = "request"
_encode = msgspec.json.encode


class SigningRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A SignCertificate that csms answered with Accepted.

    `csr` is the request in PEM, as the charge point sent it. `key` is the kind of the key and its size, such
    as `RSA 2048`. `security_profile` is what the charge point had proved when it sent the request.
    `decided_ms` is the time at which an operator approved the request, or 0. The fields after `problem`
    describe the certificate that was issued. `attempt` counts the commands that could not be sent, and
    `command` is the id of the last command.
    """

    csr: str
    subject: str
    key: str
    received_ms: int
    security_profile: SecurityProfile = 0
    status: RequestStatus = "waiting"
    decided_ms: int = 0
    problem: str = ""
    serial_number: str = ""
    issuer: str = ""
    not_after_ms: int = 0
    chain: str = ""
    attempt: int = 0
    command: str = ""

    @property
    def id(self) -> str:
        return ids.digest(_encode((self.csr, self.received_ms)))

    @property
    def since_ms(self) -> int:
        """The time since which the charge point may have its certificate."""
        return max(self.received_ms, self.decided_ms)


class Issued(NamedTuple):
    """A certificate that was signed for a request. `chain` is PEM."""

    serial_number: str
    issuer: str
    not_after_ms: int
    chain: str


class Due(NamedTuple):
    """A charge point from the queue. `claimed` identifies the claim."""

    keys: ChargePointKeys
    claimed: int


async def record(store: Store, keys: ChargePointKeys, request: SigningRequest) -> None:
    """Store a charge point's signing request in place of its previous request.

    A repeated request changes nothing before the chain was sent, unless the charge point proves more now and
    the request still waits.
    """

    def decide(fields: Fields) -> Change | None:
        known = _read(fields)
        if known is not None and known.csr == request.csr:
            proves_more = request.security_profile > known.security_profile
            if known.status in {"approved", "signed"} or (known.status == "waiting" and not proves_more):
                return None
        event = {"subject": request.subject, "key": request.key}
        return Change({_REQUEST: _encode(request)}, (), [("certificate_request.received", _encode(event))])

    await enqueue(store, keys)
    await versioned.change(store, keys, keys.certificates, decide)
    await enqueue(store, keys)


async def report_refused(store: Store, keys: ChargePointKeys, why: str) -> None:
    """Emit an event which says that a charge point's signing request was rejected.

    The stored request stays.
    """
    change = Change({}, (), [("certificate_request.refused", _encode({"why": why}))])
    await versioned.change(store, keys, keys.certificates, lambda _: change)


async def get(store: Store, tenant: str, charge_point: str) -> SigningRequest | None:
    """Return the last signing request that was answered with Accepted."""
    return _read(await versioned.read(store, ChargePointKeys(tenant, charge_point).certificates))


async def forget(store: Store, keys: ChargePointKeys) -> bool:
    """Delete a signing request that an operator has dealt with. Returns False if no request is stored.

    If the charge point sends the deleted request again, it is stored as a new request.
    """

    def decide(fields: Fields) -> Change | None:
        return Change({}, (_REQUEST,)) if _REQUEST in fields else None

    return await versioned.change(store, keys, keys.certificates, decide) == "changed"


async def approve(store: Store, keys: ChargePointKeys, id_: str, now_ms: int) -> SigningRequest | None:
    """Let the request be signed, or let its chain be sent once more."""

    def decide(known: SigningRequest) -> Change | None:
        if known.status == "approved":
            return None
        again = msgspec.structs.replace(
            known,
            status="signed" if known.chain else "approved",
            decided_ms=now_ms,
            problem="",
            attempt=known.attempt + bool(known.chain),
        )
        return Change({_REQUEST: _encode(again)})

    await enqueue(store, keys)
    approved = await _change(store, keys, id_, decide)
    await enqueue(store, keys)
    return approved


async def reject(store: Store, keys: ChargePointKeys, id_: str) -> SigningRequest | None:
    """Let the request not be signed. A request whose certificate exists stays as it is."""

    def decide(known: SigningRequest) -> Change | None:
        if known.chain or known.status == "rejected":
            return None
        rejected = msgspec.structs.replace(known, status="rejected", problem="")
        return Change({_REQUEST: _encode(rejected)}, (), [("certificate_request.rejected", b"{}")])

    return await _change(store, keys, id_, decide)


async def record_signed(
    store: Store, keys: ChargePointKeys, id_: str, issued: Issued
) -> SigningRequest | None:
    """Store the chain of a request, unless the request has one. The result has the chain that was stored."""

    def decide(known: SigningRequest) -> Change | None:
        if known.chain or known.status not in {"waiting", "approved"}:
            return None
        signed = msgspec.structs.replace(known, status="signed", problem="", **issued._asdict())
        return Change({_REQUEST: _encode(signed)})

    return await _change(store, keys, id_, decide)


async def record_held(store: Store, keys: ChargePointKeys, id_: str, why: str) -> SigningRequest | None:
    """Leave the request to an operator, and say why csms does not sign it by itself."""

    def decide(known: SigningRequest) -> Change | None:
        if known.status != "waiting" or known.problem == why:
            return None
        return Change({_REQUEST: _encode(msgspec.structs.replace(known, problem=why))})

    return await _change(store, keys, id_, decide)


async def record_failed(store: Store, keys: ChargePointKeys, id_: str, why: str) -> SigningRequest | None:
    """Give up the request, and emit an event with the reason."""

    def decide(known: SigningRequest) -> Change | None:
        if known.status not in {"waiting", "approved", "signed"}:
            return None
        failed = msgspec.structs.replace(known, status="failed", problem=why)
        event = ("certificate_request.failed", _encode({"why": why}))
        return Change({_REQUEST: _encode(failed)}, (), [event])

    return await _change(store, keys, id_, decide)


async def record_sent(store: Store, keys: ChargePointKeys, id_: str, command: str) -> SigningRequest | None:
    def decide(known: SigningRequest) -> Change | None:
        if known.status != "signed":
            return None
        sent = msgspec.structs.replace(known, status="sent", command=command)
        return Change({_REQUEST: _encode(sent)})

    return await _change(store, keys, id_, decide)


async def begin_attempt(store: Store, keys: ChargePointKeys, id_: str, attempt: int) -> SigningRequest | None:
    """Let the chain be sent with a new command, because the one with the number `attempt` was never sent."""

    def decide(known: SigningRequest) -> Change | None:
        if known.status != "signed" or known.attempt != attempt:
            return None
        return Change({_REQUEST: _encode(msgspec.structs.replace(known, attempt=attempt + 1))})

    return await _change(store, keys, id_, decide)


async def enqueue(store: Store, keys: ChargePointKeys) -> None:
    """Let an admin process look at the charge point's request now."""
    await store.step("features/signing_queue_enqueue", (key_names.SIGNING_QUEUE,), (keys.member,))


async def claim_due(store: Store, *, grace_ms: int = 0, limit: int = AT_ONCE) -> list[Due]:
    """Take charge points whose requests have been due for `grace_ms`. The caller must settle each of them."""
    due, *members = await store.step(
        "features/signing_queue_claim",
        (key_names.SIGNING_QUEUE,),
        (grace_ms, CLAIM_MS, LATER_MS_MAX, limit),
    )
    return [Due(ChargePointKeys(*key_names.split(member.decode())), int(due)) for member in members]


async def settle_due(store: Store, due: Due, after_ms: int | None) -> None:
    """Look at the charge point's request again after a time, or not before it is changed (None)."""
    await store.step(
        "features/signing_queue_settle",
        (key_names.SIGNING_QUEUE,),
        (due.keys.member, due.claimed, "" if after_ms is None else after_ms),
    )


async def _change(
    store: Store, keys: ChargePointKeys, id_: str, decide: Callable[[SigningRequest], Change | None]
) -> SigningRequest | None:
    """Change the request with this id. Return it as it is stored then, or None if it is stored no longer."""
    found: SigningRequest | None = None

    def decide_here(fields: Fields) -> Change | None:
        nonlocal found
        known = found = _read(fields)
        if known is None or known.id != id_:
            found = None
            return None
        change = decide(known)
        if change is not None:
            found = _read({**fields, **change.put})
        return change

    outcome = await versioned.change(store, keys, keys.certificates, decide_here, registered=True)
    return None if outcome == "gone" else found


def _read(fields: Fields) -> SigningRequest | None:
    stored = fields.get(_REQUEST)
    return None if stored is None else msgspec.json.decode(stored, type=SigningRequest)
