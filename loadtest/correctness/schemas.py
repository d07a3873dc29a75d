"""Whether an answer of a central system is what OCPP 1.6 allows.

The rules are those of the official JSON schemas. They are read from the message types of `gateway.ocpp16`,
because the files of the schemas are not part of an installed csms. The tests hold both equal.
"""

from gateway.ocpp16.actions import ACTIONS
from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.faults.repairs import read_strictly


def find_fault(action: str, payload: bytes) -> str | None:
    """Return what is wrong with the payload of a CALLRESULT, and what would be right, or None.

    An action that OCPP 1.6 does not have has no schema, so nothing is wrong with its answer.
    """
    known = ACTIONS.get(action)
    if known is None:
        return None
    try:
        read_strictly(known.result, b"{}" if payload == b"null" else payload)  # OCPP-J 4.2.1 permits null.
    except PayloadInvalid as invalid:
        return invalid.text
    return None
