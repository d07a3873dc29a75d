"""What `Protocol.receive` returns: one event for each frame, which says what the driver has to do."""

import msgspec

from gateway.ocpp16.faults.reading import AsSent
from gateway.ocpp16.faults.table import FaultName
from gateway.ocpp16.frames import MessageId
from gateway.ocpp16.messages.types import Message


class IncomingCall(msgspec.Struct, frozen=True, gc=False):
    """A call of the peer that waits for our answer.

    `payload` is the JSON from which `request` was read, after repairs. `fingerprint` is a hash of the frame.
    `as_sent` has the parts of a repaired fact that `request` does not show.
    """

    id: MessageId
    action: str
    request: Message
    payload: bytes
    fingerprint: int
    as_sent: AsSent | None = None


class OutgoingCall(msgspec.Struct, frozen=True, gc=False):
    """A call of ours. `made` and `deadline` are in seconds, on the clock of the driver."""

    id: str
    action: str
    request: Message
    made: float
    deadline: float


class CallAnswered(msgspec.Struct, frozen=True, gc=False):
    """The peer answered our call with a CALLRESULT. `payload` is the JSON of the result, after repairs."""

    call: OutgoingCall
    result: Message
    payload: bytes


class CallRefused(msgspec.Struct, frozen=True, gc=False):
    """The peer answered our call with a CALLERROR, or with a CALLRESULT that cannot be read (`unreadable`).

    `code` is the code that the peer sent, which may be any text. If the result is `unreadable`, `code` is the
    error code for the fault in the result. `details` is JSON.
    """

    call: OutgoingCall
    code: str
    description: str
    details: bytes = b"{}"
    unreadable: bool = False


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A frame to send as it is: a CALLERROR for the peer's fault, or the stored answer to a repeated call.

    `unread_fact` is the text of a fact that could not be read, or empty.
    """

    frame: bytes
    unread_fact: str = ""


class Ignored(msgspec.Struct, frozen=True, gc=False):
    """A frame that needs no answer.

    `late` is the late answer to a call that timed out. Only the last four such calls are remembered.
    """

    reason: FaultName
    late: CallAnswered | CallRefused | None = None
    unread_fact: str = ""


type Received = IncomingCall | CallAnswered | CallRefused | Reply | Ignored
