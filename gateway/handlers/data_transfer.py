"""Store and answer the DataTransfers of the vendors that the tenant has configured (section 4.3)."""

from gateway.handlers.charge_point import ChargePoint, now_ms
from gateway.ocpp16.messages import core
from state.features import data_transfer as transfers


async def data_transfer(request: core.DataTransfer, charge_point: ChargePoint) -> core.DataTransferResult:
    """Store the transfer, and return the answer that the tenant has configured for the vendor.

    The answer has data only if its status is Accepted or Rejected.
    """
    vendor = await transfers.get_vendor(charge_point.store, charge_point.tenant, request.vendor_id)
    if vendor is None:
        return core.DataTransferResult(status="UnknownVendorId")
    status = vendor.judge(request.message_id)
    transfer = transfers.Transfer(
        vendor_id=request.vendor_id,
        message_id=request.message_id,
        data=request.data,
        status=status,
        received_ms=now_ms(),
    )
    await transfers.keep(charge_point.store, charge_point.lease.keys, transfer)
    return core.DataTransferResult(status=status, data=None if status == "UnknownMessageId" else vendor.data)
