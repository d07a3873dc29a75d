"""What can be wrong with a message, in the words of OCPP-J."""

from typing import Final, Literal, get_args

type ErrorCode = Literal[
    "NotImplemented",
    "NotSupported",
    "InternalError",
    "ProtocolError",
    "SecurityError",
    "FormationViolation",
    "PropertyConstraintViolation",
    "OccurenceConstraintViolation",
    "TypeConstraintViolation",
    "GenericError",
]
"""The ten codes of OCPP-J 1.6 section 4.2.3, spelling mistakes included: they are the wire."""

CODES: Final[frozenset[str]] = frozenset(get_args(ErrorCode.__value__))
DESCRIPTION_LIMIT: Final = 255

# What charge points that know OCPP 2.0.1, or a dictionary, send instead.
_OTHER_SPELLINGS: Final = {
    "FormatViolation": "FormationViolation",
    "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
    "MessageTypeNotSupported": "NotSupported",
    "RpcFrameworkError": "ProtocolError",
}


def read_code(text: str) -> str:
    """Spell a peer's code as 1.6 does; one that nobody defined stays as it came."""
    return _OTHER_SPELLINGS.get(text, text)


def shorten(text: str, limit: int = DESCRIPTION_LIMIT) -> str:
    """At most `limit` characters, ending in "..." where something was cut off."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


class PayloadInvalid(ValueError):  # noqa: N818  the name says it
    """A payload is not what its action requires.

    `code` is the CALLERROR for it, `path` the field ("" is the payload itself), and the text says
    what was wrong and what would be right, in 255 characters at most and without the value itself
    unless it stands for one of an enumeration.
    """

    def __init__(self, code: ErrorCode, text: str, path: str = "") -> None:
        self.code: ErrorCode = code
        self.path = path
        self.text = shorten(f"{path}: {text}" if path else text)
        super().__init__(self.text)


class CallOutstanding(RuntimeError):  # noqa: N818  the name says it
    """Our own fault: a CALL was made while another still waits for its answer (OCPP-J 4.1.1)."""
