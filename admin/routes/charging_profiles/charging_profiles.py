"""Charging profiles that a charge point has, as far as we know: read, and corrected by hand."""

from typing import Annotated, Any, Literal

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.http import (
    AllInOne,
    Int32,
    actions,
    bodies,
    convert,
    invalid,
    lookup,
    must_exist,
    new_blueprint,
    not_found,
    times,
)
from admin.routes.charging_profiles.doubts import DoubtAnswer, doubt_answer
from admin.services import current_store
from gateway.ocpp16 import actions as ocpp_actions
from gateway.ocpp16.messages.smart_charging import SetChargingProfile
from gateway.ocpp16.messages.types import ChargingProfile, ChargingProfilePurpose
from state.features import charging_profiles
from state.features.charging_profiles import Profile, Promise, Slot, Which
from state.keys import ChargePointKeys
from state.store import Store
from state.transactions.listing import public_id

blueprint = new_blueprint("charging_profiles", "Charging profiles")


class WhichQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connector_id: Annotated[
        Int32 | None, msgspec.Meta(description="Only those of this connector; 0: of the whole charge point.")
    ] = None
    purpose: Annotated[ChargingProfilePurpose | None, msgspec.Meta(description="Only of this purpose.")] = (
        None
    )


class ChargingProfileAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A charging profile."""

    charging_profile_id: int
    connector_id: Annotated[
        int | None, msgspec.Meta(description="null: known when the transaction begins.", examples=[1])
    ]
    purpose: Annotated[str, msgspec.Meta(examples=["TxDefaultProfile"])]
    stack_level: int
    status: Annotated[
        Literal["installed", "awaiting_transaction"],
        msgspec.Meta(
            description="awaiting_transaction: it came with an accepted RemoteStartTransaction whose "
            "transaction has not begun."
        ),
    ]
    transaction_id: Annotated[
        str | None,
        msgspec.Meta(description="The transaction that a TxProfile is for.", examples=["CP-1.59961600"]),
    ]
    profile: Annotated[
        Any,
        msgspec.Meta(description="csChargingProfiles as it was sent.", extra_json_schema={"type": "object"}),
    ]
    accepted_at: str
    command: Annotated[
        str | None, msgspec.Meta(description="Id of the command that brought it; null: entered by hand.")
    ]
    doubt: Annotated[DoubtAnswer | None, msgspec.Meta(description="null: we are sure that it is there.")]


class ChargingProfilePage(msgspec.Struct, frozen=True, kw_only=True):
    """Charging profiles by id, at most 200, then those that await their transaction."""

    items: tuple[ChargingProfileAnswer, ...]
    doubts: Annotated[
        tuple[DoubtAnswer, ...],
        msgspec.Meta(description="What may have changed the profiles without our knowing, oldest first."),
    ]
    next: AllInOne = None


class ForgottenAnswer(msgspec.Struct, frozen=True):
    """The ids that we no longer believe in."""

    charging_profile_ids: tuple[int, ...]


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/charging-profiles")
@document_querystring(WhichQuery)
@document_response(ChargingProfilePage)
async def list_charging_profiles(tenant: str, charge_point: str) -> Response:
    """List the charging profiles that the charge point has, as far as we know.

    OCPP 1.6 cannot read profiles back: this is what it accepted, less what was replaced or cleared since.
    What they amount to, compared with the charge point's own word, is the composite schedule.
    """
    asked, store = bodies.query(WhichQuery), current_store()
    await lookup.charge_point(store, tenant, charge_point)
    mirror = await charging_profiles.read(store, tenant, charge_point)
    which = Which(connector_id=asked.connector_id, purpose=asked.purpose)
    items = [_answer(charge_point, one) for one in mirror.profiles if which.matches(one)]
    if asked.connector_id is None and asked.purpose in {None, "TxProfile"}:
        items += [_promise_answer(one) for one in mirror.promises]
    doubts = tuple(map(doubt_answer, mirror.doubts))
    return bodies.answer(ChargingProfilePage(items=tuple(items), doubts=doubts))


@blueprint.delete("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/charging-profiles")
@document_querystring(WhichQuery)
@document_response(ForgottenAnswer)
async def forget_charging_profiles(tenant: str, charge_point: str) -> Response:
    """Forget what we believe, for instance after the charge point lost its memory. It is not told.

    Without parameters nothing remains, and no doubt. Have it clear profiles by the command
    ClearChargingProfile.
    """
    asked, store = bodies.query(WhichQuery), current_store()
    keys = await lookup.charge_point_keys(store, tenant, charge_point)
    which = Which(connector_id=asked.connector_id, purpose=asked.purpose)
    return bodies.answer(ForgottenAnswer(await charging_profiles.clear(store, keys, which)))


_ONE = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/charging-profiles/<name:charging_profile>"


@blueprint.get(_ONE)
@document_response(ChargingProfileAnswer)
async def get_charging_profile(tenant: str, charge_point: str, charging_profile: str) -> Response:
    """Read a charging profile that the charge point has, as far as we know."""
    await lookup.charge_point(current_store(), tenant, charge_point)
    id_ = lookup.parse_number(charging_profile, "charging profile")
    return bodies.answer(await _get(current_store(), tenant, charge_point, id_))


@blueprint.put(_ONE)
@document_request(SetChargingProfile)
@document_response(ChargingProfileAnswer)
async def put_charging_profile(tenant: str, charge_point: str, charging_profile: str) -> Response:
    """Enter a charging profile that the charge point has, without sending it.

    The body is the payload of the SetChargingProfile that would have set it. It replaces what the charge
    point would have replaced, and ends doubts about this id.
    """
    keys = await lookup.charge_point_keys(current_store(), tenant, charge_point)
    body = bodies.json_object(await bodies.raw_body())
    request = actions.read(SetChargingProfile.__name__, body)
    assert isinstance(request, SetChargingProfile)  # noqa: S101  that is what it was read as
    profile = request.cs_charging_profiles
    if str(profile.charging_profile_id) != charging_profile:
        raise invalid(
            "chargingProfileId must be the id in the path.", pointer="/csChargingProfiles/chargingProfileId"
        )
    if not await _install(current_store(), keys, request.connector_id, profile):
        raise invalid(
            "It cannot be there: its transaction has ended, or 200 other profiles are there.",
            pointer="/csChargingProfiles",
        )
    return bodies.answer(await _get(current_store(), tenant, charge_point, profile.charging_profile_id))


@blueprint.delete(_ONE)
@document_response(None, 204)
async def forget_charging_profile(tenant: str, charge_point: str, charging_profile: str) -> Response:
    """Forget a charging profile, and doubts about it: the charge point does not have it. It is not told."""
    keys = await lookup.charge_point_keys(current_store(), tenant, charge_point)
    id_ = lookup.parse_number(charging_profile, "charging profile")
    mirror = await charging_profiles.read(current_store(), tenant, charge_point)
    doubted = any(one.profile_id == id_ for one in mirror.doubts)
    if not await charging_profiles.clear(current_store(), keys, Which(id_)) and not doubted:
        raise not_found("charging profile")
    return bodies.no_content()


async def _install(store: Store, keys: ChargePointKeys, connector_id: int, profile: ChargingProfile) -> bool:
    replaced = await charging_profiles.install(
        store,
        keys,
        profile.charging_profile_id,
        Slot(connector_id, profile.charging_profile_purpose, profile.stack_level),
        ocpp_actions.encode(profile),
        transaction_id=profile.transaction_id,
    )
    return replaced is not None


async def _get(store: Store, tenant: str, charge_point: str, id_: int) -> ChargingProfileAnswer:
    mirror = await charging_profiles.read(store, tenant, charge_point)
    found = next((one for one in mirror.profiles if one.id == id_), None)
    return _answer(charge_point, must_exist(found, "charging profile"))


def _answer(charge_point: str, one: Profile) -> ChargingProfileAnswer:
    return convert(
        one,
        ChargingProfileAnswer,
        charging_profile_id=one.id,
        status="installed",
        transaction_id=None if one.transaction_id is None else public_id(charge_point, one.transaction_id),
        profile=msgspec.Raw(one.payload),
        command=one.command_id,
        doubt=None if one.doubt is None else doubt_answer(one.doubt),
    )


def _promise_answer(one: Promise) -> ChargingProfileAnswer:
    return ChargingProfileAnswer(
        charging_profile_id=one.profile_id,
        connector_id=None,
        purpose="TxProfile",
        stack_level=one.stack_level,
        status="awaiting_transaction",
        transaction_id=None,
        profile=msgspec.Raw(one.payload),
        accepted_at=times.text(one.since_ms),
        command=one.command_id,
        doubt=None,
    )
