"""Core profile: answer the charge point's calls and store its facts (OCPP 1.6 section 4, errata 2025-04)."""

import msgspec

from gateway.handlers import authorization, peculiarities
from gateway.handlers.charge_point import ChargePoint, now_ms, now_text
from gateway.handlers.data_transfer import data_transfer
from gateway.handlers.handler import Answered, Handler, Outcome
from gateway.handlers.last_values import find_last
from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import IdTagInfo, Message
from gateway.service.masking import mask_credentials
from state import charge_points, transactions
from state.charge_points import configuration, connectors, security
from state.errand import both
from state.features import charging_profiles, reservations
from state.tenants.id_tags import IdTag
from state.transactions import failed_starts, remote_starts
from state.transactions import meter_values as values
from state.transactions.acknowledged import Fact
from state.transactions.running import Open, read_start_times

OFFLINE_AFTER_MS = 120_000
"""Age above which a StartTransaction counts as one that the charge point made while it was offline."""
_UNLIMITED = 2**31 - 1


async def boot_notification(
    _request: core.BootNotification, charge_point: ChargePoint
) -> core.BootNotificationResult:
    """Answer with the registration status that the operator has set for the charge point.

    Unless the answer is Accepted, `interval` says when the charge point shall send BootNotification again.
    """
    # This reboot may make a configuration change effective. The answer to that ChangeConfiguration must be
    # stored first.
    await charge_point.catch_up()
    booted = await charge_points.boot(charge_point.store, charge_point.lease, charge_point.payload)
    memory = charge_point.memory
    memory.registration = memory.policy = booted.status
    memory.booted = True
    if booted.status == "Accepted" and memory.accepted is not None:
        memory.accepted.set()
    return core.BootNotificationResult(
        status=booted.status,
        current_time=now_text(),
        interval=memory.heartbeat_interval_s if booted.interval_s is None else booted.interval_s,
    )


async def heartbeat(_request: core.Heartbeat, _charge_point: ChargePoint) -> core.HeartbeatResult:
    return core.HeartbeatResult(current_time=now_text())


async def status_notification(
    request: core.StatusNotification, charge_point: ChargePoint
) -> core.StatusNotificationResult:
    connector = connectors.Connector(
        connector_id=request.connector_id,
        status=request.status,
        error_code=request.error_code,
        info=request.info,
        vendor_id=request.vendor_id,
        vendor_error_code=request.vendor_error_code,
        timestamp=request.timestamp,
        received_ms=now_ms(),
    )
    recorded = await connectors.record_status(charge_point.store, charge_point.lease, connector)
    if recorded.running is not None:
        await _free_connector(request, recorded.running, charge_point)
    peculiarities.check_status(request, charge_point)
    return core.StatusNotificationResult()


async def _free_connector(request: core.StatusNotification, running: Open, charge_point: ChargePoint) -> None:
    """Release the hold of the transaction on a connector that is Available.

    Nobody charges at this connector, so the driver may charge elsewhere. The stop of the transaction may
    still follow.
    """
    if not await _is_older_than_start(request, running.id, charge_point):
        await transactions.release_hold(charge_point.store, charge_point.lease.keys, running.hold)


async def _is_older_than_start(
    request: core.StatusNotification, transaction_id: int, charge_point: ChargePoint
) -> bool:
    """Return whether the status is older than the start of the transaction on the connector.

    A charge point that was offline may send old statuses after a start. If its clock was not set, the status
    counts as one of now.
    """
    at_ms = timestamps.parse_ms(request.timestamp)
    if at_ms is None or not timestamps.is_plausible(at_ms, now_ms()):
        return False
    times = await read_start_times(charge_point.store, charge_point.lease.keys, transaction_id)
    if times is None:
        return False
    started_ms, received_ms = times
    ahead = timestamps.find_fault(started_ms, received_ms) == "time_ahead"
    return at_ms < (received_ms if ahead else started_ms)


async def authorize(request: core.Authorize, charge_point: ChargePoint) -> core.AuthorizeResult:
    _, info = await authorization.judge(charge_point, request.id_tag)
    return core.AuthorizeResult(id_tag_info=info)


async def start_transaction(
    request: core.StartTransaction, charge_point: ChargePoint
) -> core.StartTransactionResult:
    """Store the start, and always answer with a transactionId (5.8).

    A transaction that has begun cannot be refused, not even for an unknown id tag. While the store is full, a
    new start gets InternalError, so that the charge point repeats it. The answer waits only until the start
    is stored, which takes at most three round trips.
    """
    store, lease, start = charge_point.store, charge_point.lease, _read_start(request, charge_point)
    # No answer to our calls arrives before this call is answered, because one task reads both.
    caught_up = charge_point.is_caught_up
    found, tag = await both(
        transactions.find_start(store, lease, start),
        authorization.look_up(charge_point, request.id_tag),
    )
    if isinstance(found, transactions.Replayed):
        charge_point.fault("repeated_start")
        outcome: transactions.StartOutcome = found
    else:
        store.headroom.require_room("full", "a new transaction")
        info = authorization.describe(charge_point, request.id_tag, tag)
        parent = None if tag is None else tag.parent_id_tag
        reservation = reservations.find_used(
            found.reservations, start.connector_id, start.id_tag, parent, store.server_time_ms()
        )
        answer, limit = msgspec.json.encode(info), _limit(tag, info, start)
        begin = transactions.start(
            store,
            lease,
            start,
            answer,
            reservation=reservation,
            limit=limit,
            running=found.running,
        )
        if found.running is None or found.running.hold.is_of(start.id_tag):
            outcome = await begin
        else:  # The other driver may charge elsewhere as soon as the start is answered.
            free = transactions.release_hold(store, lease.keys, found.running.hold)
            outcome, _ = await both(begin, free)
    charge_point.note_fence(outcome.fence)
    charge_point.memory.charging_at, charge_point.memory.began = request.connector_id, (start, outcome.id)
    if isinstance(outcome, transactions.Started) and outcome.clock_fault:
        charge_point.fault("clock_stuck")
    # Nearly always the hold is gone already. It was that of another driver, or the start has taken it over.
    if outcome.superseded is not None:
        charge_point.see_through(transactions.release_hold, store, lease.keys, outcome.superseded)
    if not isinstance(outcome, transactions.Started) or outcome.awaited or not caught_up:
        charge_point.see_through(_fulfil_remote_start, start, outcome.id, charge_point)
    peculiarities.check_start(request, charge_point)
    info = msgspec.json.decode(outcome.answer, type=IdTagInfo)
    if info.status != "Accepted":
        id_ = transactions.public_id(lease.keys.id, outcome.id)
        charge_point.see_through(failed_starts.note, store, lease.keys, id_)
    keys, connector = lease.keys, request.connector_id
    charge_point.fact = Fact(
        "start",
        keys.tenant,
        keys.id,
        outcome.id,
        connector,
        request.timestamp,
        request.meter_start,
    )
    return core.StartTransactionResult(id_tag_info=info, transaction_id=outcome.id)


async def _fulfil_remote_start(
    start: transactions.Start, transaction_id: int, charge_point: ChargePoint
) -> None:
    # The answer to the remote start that led to this transaction may not be stored yet.
    await charge_point.catch_up()
    await remote_starts.fulfil(charge_point.store, charge_point.lease.keys, start, transaction_id)


def _limit(tag: IdTag | None, info: IdTagInfo, start: transactions.Start) -> transactions.Limit | None:
    if tag is None or tag.max_active_transactions is None or info.status != "Accepted":
        return None
    # An offline transaction counts towards the limit of its id tag, but never gets ConcurrentTx, because it
    # has already begun.
    offline = start.received_ms - start.started_ms > OFFLINE_AFTER_MS
    refusal = msgspec.structs.replace(info, status="ConcurrentTx")
    return transactions.Limit(
        _UNLIMITED if offline else tag.max_active_transactions, msgspec.json.encode(refusal)
    )


async def stop_transaction(
    request: core.StopTransaction, charge_point: ChargePoint
) -> core.StopTransactionResult:
    """Store the stop, which is never refused. The stop of an unknown transaction is kept as an orphan."""
    received_ms = now_ms()
    stopped_ms = charge_point.read_time(request.timestamp)
    id_tag, info = request.id_tag, None
    if not id_tag and id_tag is not None and not charge_point.memory.strict:
        charge_point.fault("id_tag_empty")
        id_tag = None
    if id_tag is not None:
        _, info = await authorization.judge(charge_point, id_tag)
    stop = transactions.Stop(
        transaction_id=None if request.transaction_id is None else str(request.transaction_id),
        timestamp=request.timestamp,
        stopped_ms=received_ms if stopped_ms is None else stopped_ms,
        meter_stop=request.meter_stop,
        id_tag=id_tag,
        reason=request.reason,
        data=core.raw_transaction_data(charge_point.payload),
        received_ms=received_ms,
        as_sent=charge_point.as_sent,
    )
    answer = b"" if info is None else msgspec.json.encode(info)
    outcome = await transactions.stop(charge_point.store, charge_point.lease, stop, answer)
    charge_point.memory.charging_at, charge_point.memory.ended = None, request.transaction_id
    charge_point.note_fence(outcome.fence)
    if not isinstance(outcome, transactions.Orphaned) and outcome.hold is not None:
        # The driver may start elsewhere as soon as the stop is answered. If the store fails here, the charge
        # point repeats the stop, and the hold is released then.
        await transactions.release_hold(charge_point.store, charge_point.lease.keys, outcome.hold)
    peculiarities.check_stop(request, outcome, stop.stopped_ms, charge_point)
    keys, id_ = charge_point.lease.keys, request.transaction_id
    charge_point.fact = Fact("stop", keys.tenant, keys.id, id_, None, request.timestamp, request.meter_stop)
    return core.StopTransactionResult(
        id_tag_info=msgspec.json.decode(outcome.answer, type=IdTagInfo) if outcome.answer else None
    )


async def meter_values(request: core.MeterValues, charge_point: ChargePoint) -> core.MeterValuesResult:
    """Store the meter values, which are never refused, not even for an unknown transaction."""
    appended = await values.append(
        charge_point.store,
        charge_point.lease,
        connector_id=request.connector_id,
        transaction_id=None if request.transaction_id is None else str(request.transaction_id),
        payload=core.raw_meter_value(charge_point.payload),
        received_ms=now_ms(),
        as_sent=charge_point.as_sent.fields,
        last=find_last(request.meter_value),
    )
    if request.transaction_id is not None:
        charge_point.memory.charging_at = request.connector_id
    charge_point.note_fence(appended.fence)
    peculiarities.check_meter_values(request, appended, charge_point)
    return core.MeterValuesResult()


async def get_configuration(answered: Answered[core.GetConfiguration, core.GetConfigurationResult]) -> None:
    """Store the keys that the charge point reported.

    If we requested all keys, the answer replaces all stored keys. Otherwise the answer replaces only the
    requested keys.
    """
    charge_point, result = answered.charge_point, answered.result
    await configuration.learn(
        charge_point.store,
        charge_point.lease.keys,
        [
            configuration.ReportedKey(one.key, one.value and _hide_credentials(one.value), one.readonly)
            for one in result.configuration_key or ()
        ],
        result.unknown_key or (),
        complete=not answered.request.key,
    )


_KEY_OUTCOMES: dict[str, security.KeyOutcome] = {
    "Accepted": "accepted",
    "RebootRequired": "reboot_required",
    "Rejected": "refused",
    "NotSupported": "refused",
}


async def change_configuration(
    answered: Answered[core.ChangeConfiguration, core.ChangeConfigurationResult],
) -> None:
    """Store the new value of the key, unless the charge point answered Rejected.

    Rejected does not show which value the key has now. The charge point may have refused the new value, or
    only the moment of the change.
    """
    charge_point, request, outcome = answered.charge_point, answered.request, answered.result.status
    if configuration.is_password(request.key):
        await security.settle_password(
            charge_point.store,
            charge_point.lease.keys,
            answered.command_id,
            _KEY_OUTCOMES[outcome],
            now_ms(),
            digest=answered.password_digest,
        )
    if outcome != "Rejected":
        await configuration.change(
            charge_point.store,
            charge_point.lease.keys,
            request.key,
            _hide_credentials(request.value),
            outcome,
        )


def _hide_credentials(value: str) -> str:
    """Hide passwords in URLs, and tokens in URLs of csms, which some keys hold."""
    return mask_credentials(value) if "://" in value else value


async def remote_start_transaction(
    answered: Answered[core.RemoteStartTransaction, core.RemoteStartTransactionResult],
) -> None:
    """Store that a remote start was accepted.

    Accepted means only that the charge point will try to start. csms stores what it expects, so that it can
    later find the transaction that this command has started.
    """
    if answered.result.status == "Accepted":
        charge_point, request = answered.charge_point, answered.request
        profile = request.charging_profile
        if profile is not None and profile.charging_profile_purpose == "TxProfile":
            await charging_profiles.promise(
                charge_point.store,
                charge_point.lease.keys,
                answered.command_id,
                profile_id=profile.charging_profile_id,
                stack_level=profile.stack_level,
                payload=msgspec.json.encode(profile),
            )
        await remote_starts.expect(
            charge_point.store,
            charge_point.lease.keys,
            answered.command_id,
            id_tag=request.id_tag,
            connector_id=request.connector_id,
        )
        # Some charge points send StartTransaction before they answer the remote start.
        if charge_point.memory.began is not None:
            start, transaction_id = charge_point.memory.began
            # Match that StartTransaction with the remote start as if it had just arrived.
            start = msgspec.structs.replace(start, received_ms=now_ms())
            await remote_starts.fulfil(charge_point.store, charge_point.lease.keys, start, transaction_id)


def _read_start(request: core.StartTransaction, charge_point: ChargePoint) -> transactions.Start:
    received_ms = now_ms()
    started_ms = charge_point.read_time(request.timestamp)
    return transactions.Start(
        connector_id=request.connector_id,
        id_tag=request.id_tag,
        timestamp=request.timestamp,
        started_ms=received_ms if started_ms is None else started_ms,
        plausible=started_ms is not None and timestamps.is_plausible(started_ms, received_ms),
        meter_start=request.meter_start,
        reservation_id=request.reservation_id,
        received_ms=received_ms,
        as_sent=charge_point.as_sent,
    )


HANDLERS: dict[type[Message], Handler] = {
    core.Authorize: authorize,
    core.BootNotification: boot_notification,
    core.DataTransfer: data_transfer,
    core.Heartbeat: heartbeat,
    core.MeterValues: meter_values,
    core.StartTransaction: start_transaction,
    core.StatusNotification: status_notification,
    core.StopTransaction: stop_transaction,
}

OUTCOMES: dict[type[Message], Outcome] = {
    core.ChangeConfiguration: change_configuration,
    core.GetConfiguration: get_configuration,
    core.RemoteStartTransaction: remote_start_transaction,
}
