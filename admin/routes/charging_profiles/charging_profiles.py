"""Routes of the list of charging profiles that a charge point has, as far as csms knows."""

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
    describes,
    invalid,
    lookup,
    must_exist,
    new_blueprint,
    not_found,
    times,
)
from admin.http.openapi import components
from admin.http.times import Time
from admin.routes import ocpp_schemas
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
        Int32 | None,
        msgspec.Meta(
            description="List only profiles of this connector. 0 means the profiles of the whole charge "
            "point."
        ),
    ] = None
    purpose: Annotated[
        ChargingProfilePurpose | None, msgspec.Meta(description="List only profiles of this purpose.")
    ] = None


class ChargingProfileAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A charging profile that a charge point accepted."""

    charging_profile_id: Annotated[
        int, msgspec.Meta(description="chargingProfileId of the profile.", examples=[1])
    ]
    connector_id: Annotated[
        int | None,
        msgspec.Meta(
            description="Number of the connector. 0 is the whole charge point. null means that the connector "
            "is not known until the transaction begins.",
            examples=[1],
        ),
    ]
    purpose: Annotated[
        str,
        msgspec.Meta(
            description="ChargePointMaxProfile limits the whole charge point. TxDefaultProfile is the "
            "default for new transactions. TxProfile limits one transaction.",
            examples=["TxDefaultProfile"],
        ),
    ]
    stack_level: Annotated[
        int,
        msgspec.Meta(
            description="Among profiles of one purpose that are valid at the same time, the profile with the "
            "highest stack level applies."
        ),
    ]
    status: Annotated[
        Literal["installed", "awaiting_transaction"],
        msgspec.Meta(
            description="`installed` means that the charge point has the profile. `awaiting_transaction` "
            "means that the profile was sent with an accepted RemoteStartTransaction whose transaction has "
            "not begun."
        ),
    ]
    transaction_id: Annotated[
        str | None,
        msgspec.Meta(
            description="Public id of the transaction that a TxProfile limits. null means that no such "
            "transaction is known.",
            examples=["CP-1.59961600"],
        ),
    ]
    profile: Annotated[
        Any,
        msgspec.Meta(
            description="The charging profile (csChargingProfiles), as it was sent to the charge point.",
            extra_json_schema={"type": "object"},
        ),
    ]
    accepted_at: Annotated[
        Time,
        msgspec.Meta(
            description="When csms recorded that the charge point accepted the profile, or when an operator "
            "entered the profile by hand."
        ),
    ]
    command: Annotated[
        str | None,
        msgspec.Meta(
            description="Id of the command that sent the profile. null means that an operator entered the "
            "profile by hand."
        ),
    ]
    doubt: Annotated[
        DoubtAnswer | None,
        msgspec.Meta(
            description="Why the charge point may not have this profile. null means that csms has no reason "
            "to doubt that the charge point has the profile."
        ),
    ]


class ChargingProfilePage(msgspec.Struct, frozen=True, kw_only=True):
    """The charging profiles that a charge point has, as far as csms knows."""

    items: Annotated[
        tuple[ChargingProfileAnswer, ...],
        msgspec.Meta(
            description="First come the installed profiles, sorted by id (200 at most). After them come the "
            "profiles whose transaction has not begun."
        ),
    ]
    doubts: Annotated[
        tuple[DoubtAnswer, ...],
        msgspec.Meta(
            description="Reasons why the charge point may have other profiles than the list, the oldest "
            "first."
        ),
    ]
    next: AllInOne = None


class ForgottenAnswer(msgspec.Struct, frozen=True):
    """The charging profiles that were removed from the list."""

    charging_profile_ids: Annotated[
        tuple[int, ...],
        msgspec.Meta(description="The chargingProfileId of each profile that was removed from the list."),
    ]


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/charging-profiles")
@document_querystring(WhichQuery)
@document_response(ChargingProfilePage)
async def list_charging_profiles(tenant: str, charge_point: str) -> Response:
    """List the charging profiles that the charge point has, as far as csms knows.

    OCPP 1.6 has no message that reads profiles back. The list has each profile that the charge point accepted
    and that was not replaced or cleared later. The combined effect of the profiles is the composite schedule.
    csms sends nothing to the charge point.
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
    """Remove charging profiles from the list, for instance after the charge point lost its memory.

    csms sends nothing to the charge point. To make the charge point clear profiles, send the command
    ClearChargingProfile. A request without parameters removes all profiles from the list. It also removes all
    doubts, which are the reasons why the list may be wrong.
    """
    asked, store = bodies.query(WhichQuery), current_store()
    keys = await lookup.charge_point_keys(store, tenant, charge_point)
    which = Which(connector_id=asked.connector_id, purpose=asked.purpose)
    return bodies.answer(ForgottenAnswer(await charging_profiles.clear(store, keys, which)))


_ONE = (
    "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/charging-profiles/<number:charging_profile>"
)


@blueprint.get(_ONE)
@document_response(ChargingProfileAnswer)
async def get_charging_profile(tenant: str, charge_point: str, charging_profile: str) -> Response:
    """Read a charging profile that the charge point has, as far as csms knows.

    csms sends nothing to the charge point.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    id_ = lookup.parse_number(charging_profile, "charging profile")
    return bodies.answer(await _get(current_store(), tenant, charge_point, id_))


@blueprint.put(_ONE)
@document_request(SetChargingProfile)
@document_response(ChargingProfileAnswer)
@describes(schemas=ocpp_schemas.with_texts(components(SetChargingProfile)[1]))
async def put_charging_profile(tenant: str, charge_point: str, charging_profile: str) -> Response:
    """Record by hand that the charge point has a charging profile.

    csms sends nothing to the charge point. The body is the payload of a SetChargingProfile with the profile.
    In the list, the new profile replaces a profile that has the same id, or that has the same purpose, stack
    level and connector. A charge point replaces profiles in the same way. csms also removes the doubts about
    the id of the new profile.
    """
    keys = await lookup.charge_point_keys(current_store(), tenant, charge_point)
    body = bodies.json_object(await bodies.raw_body())
    request = actions.read(SetChargingProfile.__name__, body)
    assert isinstance(request, SetChargingProfile)  # noqa: S101  it was read as this action
    profile = request.cs_charging_profiles
    if str(profile.charging_profile_id) != charging_profile:
        raise invalid(
            f"chargingProfileId is {profile.charging_profile_id}; it must be the id in the path.",
            pointer="/csChargingProfiles/chargingProfileId",
        )
    if not await _install(current_store(), keys, request.connector_id, profile):
        raise invalid(
            "The profile cannot be listed: the transaction of the profile has ended, or the list has 200 "
            "other profiles already; delete listed profiles that the charge point does not have.",
            pointer="/csChargingProfiles",
        )
    return bodies.answer(await _get(current_store(), tenant, charge_point, profile.charging_profile_id))


@blueprint.delete(_ONE)
@document_response(None, 204)
async def forget_charging_profile(tenant: str, charge_point: str, charging_profile: str) -> Response:
    """Remove one charging profile, with the doubts about it, from the list of a charge point.

    csms sends nothing to the charge point. To make the charge point clear a profile, send the command
    ClearChargingProfile.
    """
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
