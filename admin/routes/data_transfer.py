"""DataTransfer from charge points: whose a tenant understands, and what came."""

from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.http import (
    Next,
    Paging,
    Problem,
    bodies,
    convert,
    convert_all,
    describes,
    invalid,
    lookup,
    must_exist,
    new_blueprint,
)
from admin.services import current_store
from state.features import data_transfer as transfers
from state.features.data_transfer import VENDORS, Answer, Status, Vendor

VENDOR_LENGTH = 255  # OCPP 1.6: CiString255Type, and of a message id CiString50Type.

blueprint = new_blueprint("data_transfer", "Data transfer")

MessageId = Annotated[str, msgspec.Meta(min_length=1, max_length=50)]


class VendorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a vendor's DataTransfer is answered. What is left out gets its default, whatever it was before."""

    message_ids: Annotated[
        Annotated[tuple[MessageId, ...], msgspec.Meta(max_length=100)] | None,
        msgspec.Meta(
            description="Known ones; any other, and none at all, is answered UnknownMessageId. null: any is "
            "known. Letters compare without regard to case.",
            examples=[["ping"]],
        ),
    ] = None
    status: Annotated[Answer, msgspec.Meta(description="Our answer to what is known.")] = "Accepted"
    data: Annotated[
        Annotated[str, msgspec.Meta(max_length=10_000)] | None,
        msgspec.Meta(description="Text in our answer; null: none."),
    ] = None


class VendorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor whose DataTransfer is understood."""

    vendor_id: Annotated[str, msgspec.Meta(description="As it was last spelt in a PUT.")]
    message_ids: tuple[str, ...] | None
    status: Answer
    data: str | None


class VendorPage(msgspec.Struct, frozen=True):
    """Vendors, by name with letters folded."""

    items: tuple[VendorAnswer, ...]
    next: Next


class TransferAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A DataTransfer of a charge point, and how it was answered."""

    id: str
    vendor_id: str
    message_id: str | None
    data: Annotated[str | None, msgspec.Meta(description="As it was sent.")]
    status: Status
    received_at: str


class TransferPage(msgspec.Struct, frozen=True):
    """The latest 100 transfers of known vendors, newest first."""

    items: tuple[TransferAnswer, ...]
    next: Next


_VENDORS = "/v1/tenants/<name:tenant>/data-transfer-vendors"


@blueprint.put(f"{_VENDORS}/<name:vendor>")
@document_request(VendorSettings)
@document_response(VendorAnswer, 200)
@document_response(VendorAnswer, 201)
@describes(problems={409: f"The tenant has {VENDORS} vendors already."})
async def put_data_transfer_vendor(tenant: str, vendor: str) -> Response:
    """Have a vendor's DataTransfer understood.

    Until then it is answered UnknownVendorId and not kept.
    """
    settings = await bodies.body(VendorSettings)
    if not 1 <= len(vendor) <= VENDOR_LENGTH:
        detail = f"OCPP 1.6 vendor ids have 1 to {VENDOR_LENGTH} characters."
        raise invalid(detail, parameter="vendor")
    stored = Vendor(vendor_id=vendor, **msgspec.structs.asdict(settings))
    outcome = await transfers.put_vendor(current_store(), tenant, stored)
    if outcome == "full":
        raise Problem(
            409, "too-many-vendors", f"A tenant may have {VENDORS} vendors; delete one to add another."
        )
    return bodies.answer(convert(stored, VendorAnswer), 201 if outcome == "created" else 200)


@blueprint.get(f"{_VENDORS}/<name:vendor>")
@document_response(VendorAnswer)
async def get_data_transfer_vendor(tenant: str, vendor: str) -> Response:
    """Read how a vendor's DataTransfer is answered."""
    found = await transfers.get_vendor(current_store(), tenant, vendor)
    return bodies.answer(convert(must_exist(found, "vendor"), VendorAnswer))


@blueprint.delete(f"{_VENDORS}/<name:vendor>")
@document_response(None, 204)
async def delete_data_transfer_vendor(tenant: str, vendor: str) -> Response:
    """Forget a vendor.

    Its DataTransfer is answered UnknownVendorId from then on; what came of it stays.
    """
    must_exist(await transfers.delete_vendor(current_store(), tenant, vendor), "vendor")
    return bodies.no_content()


@blueprint.get(_VENDORS)
@document_response(VendorPage)
async def list_data_transfer_vendors(tenant: str) -> Response:
    """List the vendors whose DataTransfer is understood."""
    found = await transfers.list_vendors(current_store(), tenant)
    return bodies.answer(VendorPage(convert_all(found, VendorAnswer), None))


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/data-transfers")
@document_querystring(Paging)
@document_response(TransferPage)
async def list_data_transfers(tenant: str, charge_point: str) -> Response:
    """List what came from a charge point by DataTransfer."""
    asked, store = bodies.query(Paging), current_store()
    await lookup.charge_point(store, tenant, charge_point)
    page = await transfers.list_(store, tenant, charge_point, cursor=asked.cursor, limit=asked.limit)
    items = tuple(convert(kept.transfer, TransferAnswer, id=kept.id) for kept in page.items)
    return bodies.answer(TransferPage(items, page.next))


@blueprint.delete(
    "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/data-transfers/<name:data_transfer>"
)
@document_response(None, 204)
async def delete_data_transfer(tenant: str, charge_point: str, data_transfer: str) -> Response:
    """Delete what came from a charge point by DataTransfer and was dealt with."""
    await lookup.charge_point(current_store(), tenant, charge_point)
    must_exist(await transfers.forget(current_store(), tenant, charge_point, data_transfer), "data transfer")
    return bodies.no_content()
