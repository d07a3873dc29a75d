"""Secrets in commands: they are encrypted in the store, and a new password is accepted from then on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from admin.http.problems import Problem
from admin.services import Services
from gateway.ocpp16.messages.core import ChangeConfiguration
from gateway.ocpp16.messages.types import Message
from gateway.service.frame_masking import FrameMasker
from state import commands
from state.charge_points import ChargePointRecord, configuration, passwords, security
from state.commands import Conflict, Submitted, sealing
from state.commands.sealing import Sealed
from state.commands.table import WAITING
from state.keys import ChargePointKeys

WITH_LOCATION = frozenset({"GetDiagnostics", "GetLog", "SignedUpdateFirmware", "UpdateFirmware"})
"""Actions whose payloads hold URLs, which may hold credentials."""


def protect(pepper: bytes, command_id: str, action: str, payload: bytes) -> tuple[bytes, Sealed | None]:
    """Return the payload for the record, and the encrypted payload if the record must not show all of it."""
    masked = bytes(FrameMasker(locations=action in WITH_LOCATION).mask_json(msgspec.Raw(payload)))
    if masked == payload:
        return payload, None
    return masked, sealing.seal(pepper, command_id, action, payload)


class NewPassword:
    """A password that a command is about to set, or nothing if the command sets none."""

    def __init__(self) -> None:
        self.was_not_sent = False

    def settle(self, submitted: Submitted | Conflict) -> None:
        """Note whether the command will be sent."""
        if isinstance(submitted, Conflict):
            self.was_not_sent = True
        else:
            self.was_not_sent = submitted.command.status not in WAITING


@asynccontextmanager
async def new_password(
    services: Services, record: ChargePointRecord, request: Message, command_id: str
) -> AsyncIterator[NewPassword]:
    """Accept the password that the request sets, from before the charge point can know it (A01).

    Raises Problem (422) if the password cannot be used or can be guessed.
    """
    password = NewPassword()
    if not isinstance(request, ChangeConfiguration) or not configuration.is_password(request.key):
        yield password
        return
    keys = ChargePointKeys(record.tenant, record.id)
    digest = passwords.digest(services.pepper, keys.member, read_password(request.value))
    store, now_ms = services.store, services.store.server_time_ms()
    # A request that repeats an Idempotency-Key sends nothing, and its password may be an old one.
    [known] = await commands.read_statuses(store, [command_id])
    added = known is None and (
        await security.expect_password(store, keys, digest, command_id, now_ms) == "changed"
    )
    yield password
    if added and password.was_not_sent:
        await security.settle_password(store, keys, command_id, "refused", now_ms, digest=digest)


def read_password(text: str) -> bytes:
    """Return the bytes of an AuthorizationKey. Raises Problem (422)."""
    try:
        return passwords.read_key(text)
    except passwords.BadKey as error:
        raise Problem(422, "bad-authorization-key", str(error)) from None
