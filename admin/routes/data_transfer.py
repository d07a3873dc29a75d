"""Routes of DataTransfer from charge points: the vendors that a tenant accepts, and the data received."""

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
from admin.routes.members import ReceivedAt
from admin.services import current_store
from state.features import data_transfer as transfers
from state.features.data_transfer import VENDORS, Answer, Status, Vendor

VENDOR_LENGTH = 255  # OCPP 1.6: a vendor id is a CiString255Type, and a message id is a CiString50Type.

blueprint = new_blueprint("data_transfer", "Data transfer")

MessageId = Annotated[str, msgspec.Meta(min_length=1, max_length=50)]


class VendorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How csms answers each DataTransfer of a vendor.

    Each PUT replaces all settings, so a member that is left out gets its default value.
    """

    message_ids: Annotated[
        Annotated[tuple[MessageId, ...], msgspec.Meta(max_length=100)] | None,
        msgspec.Meta(
            description="Message ids that csms accepts. csms answers UnknownMessageId to a DataTransfer with "
            "any other message id or without one. null means that csms accepts all message ids. Message ids "
            "are compared without regard to case.",
            examples=[["ping"]],
        ),
    ] = None
    status: Annotated[
        Answer, msgspec.Meta(description="Answer to a DataTransfer whose message id is accepted.")
    ] = "Accepted"
    data: Annotated[
        Annotated[str, msgspec.Meta(max_length=10_000)] | None,
        msgspec.Meta(
            description="`data` of the answer to a DataTransfer whose message id is accepted. null means "
            "that the answer has no `data`."
        ),
    ] = None


class VendorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor from which csms accepts and keeps DataTransfer messages."""

    vendor_id: Annotated[
        str, msgspec.Meta(description="Id of the vendor, as the last PUT spelt it.", examples=["com.example"])
    ]
    message_ids: Annotated[
        tuple[str, ...] | None,
        msgspec.Meta(
            description="Message ids that csms accepts. null means that csms accepts all message ids."
        ),
    ]
    status: Annotated[
        Answer, msgspec.Meta(description="Answer to a DataTransfer whose message id is accepted.")
    ]
    data: Annotated[
        str | None,
        msgspec.Meta(
            description="`data` of the answer to a DataTransfer whose message id is accepted. null means "
            "that the answer has no `data`."
        ),
    ]


class VendorPage(msgspec.Struct, frozen=True):
    """The vendors of a tenant, sorted by id without regard to case."""

    items: Annotated[tuple[VendorAnswer, ...], msgspec.Meta(description="All vendors of the tenant.")]
    next: Next


class TransferAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A DataTransfer that a charge point sent, and the answer of csms."""

    id: Annotated[
        str, msgspec.Meta(description="Id of the transfer in this API; use it to delete the transfer.")
    ]
    vendor_id: Annotated[str, msgspec.Meta(description="Id of the vendor, as the charge point sent it.")]
    message_id: Annotated[
        str | None,
        msgspec.Meta(
            description="Message id of the DataTransfer. null means that the charge point sent no message id."
        ),
    ]
    data: Annotated[
        str | None,
        msgspec.Meta(
            description="Data as the charge point sent it. null means that the charge point sent no data."
        ),
    ]
    status: Annotated[
        Status,
        msgspec.Meta(
            description="The answer of csms. UnknownMessageId means that csms accepts the vendor but not the "
            "message id."
        ),
    ]
    received_at: ReceivedAt


class TransferPage(msgspec.Struct, frozen=True):
    """A page of the received DataTransfers, newest first. csms keeps the latest 100 from known vendors."""

    items: Annotated[
        tuple[TransferAnswer, ...], msgspec.Meta(description="The transfers of this page, newest first.")
    ]
    next: Next


_VENDORS = "/v1/tenants/<name:tenant>/data-transfer-vendors"


@blueprint.put(f"{_VENDORS}/<name:vendor>")
@document_request(VendorSettings)
@document_response(VendorAnswer, 200)
@document_response(VendorAnswer, 201)
@describes(problems={409: f"The tenant has {VENDORS} vendors already."})
async def put_data_transfer_vendor(tenant: str, vendor: str) -> Response:
    """Add a vendor whose DataTransfers csms accepts and keeps, or change how csms answers them.

    csms answers UnknownVendorId to a DataTransfer of a vendor that is not in the list of vendors, and does
    not keep the DataTransfer. csms sends nothing to charge points.
    """
    settings = await bodies.body(VendorSettings)
    if not 1 <= len(vendor) <= VENDOR_LENGTH:
        detail = f"The vendor id has {len(vendor)} characters; OCPP 1.6 allows 1 to {VENDOR_LENGTH}."
        raise invalid(detail, parameter="vendor")
    stored = Vendor(vendor_id=vendor, **msgspec.structs.asdict(settings))
    outcome = await transfers.put_vendor(current_store(), tenant, stored)
    if outcome == "full":
        raise Problem(
            409,
            "too-many-vendors",
            f"The tenant has {VENDORS} vendors, which is the maximum; delete one to add another.",
        )
    return bodies.answer(convert(stored, VendorAnswer), 201 if outcome == "created" else 200)


@blueprint.get(f"{_VENDORS}/<name:vendor>")
@document_response(VendorAnswer)
async def get_data_transfer_vendor(tenant: str, vendor: str) -> Response:
    """Read how csms answers each DataTransfer of a vendor."""
    found = await transfers.get_vendor(current_store(), tenant, vendor)
    return bodies.answer(convert(must_exist(found, "vendor"), VendorAnswer))


@blueprint.delete(f"{_VENDORS}/<name:vendor>")
@document_response(None, 204)
async def delete_data_transfer_vendor(tenant: str, vendor: str) -> Response:
    """Delete a vendor.

    After the deletion, csms answers UnknownVendorId to each DataTransfer of the vendor. DataTransfers that
    were received earlier are kept.
    """
    must_exist(await transfers.delete_vendor(current_store(), tenant, vendor), "vendor")
    return bodies.no_content()


@blueprint.get(_VENDORS)
@document_response(VendorPage)
async def list_data_transfer_vendors(tenant: str) -> Response:
    """List the vendors from which csms accepts DataTransfer messages."""
    found = await transfers.list_vendors(current_store(), tenant)
    return bodies.answer(VendorPage(convert_all(found, VendorAnswer), None))


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/data-transfers")
@document_querystring(Paging)
@document_response(TransferPage)
async def list_data_transfers(tenant: str, charge_point: str) -> Response:
    """List the data that a charge point sent by DataTransfer."""
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
    """Delete a received DataTransfer from the list, for instance after you have processed its data."""
    await lookup.charge_point(current_store(), tenant, charge_point)
    must_exist(await transfers.forget(current_store(), tenant, charge_point, data_transfer), "data transfer")
    return bodies.no_content()
