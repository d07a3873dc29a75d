"""The error codes of OCPP-J, and the exceptions for a payload or a call that breaks its rules."""

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
"""The ten codes of OCPP-J 1.6 section 4.2.3, with the spelling mistakes that the specification has."""

CODES: Final[frozenset[str]] = frozenset(get_args(ErrorCode.__value__))
DESCRIPTION_LIMIT: Final = 255

# Error codes as OCPP 2.0.1 or a dictionary spells them, each with the code of OCPP 1.6.
_OTHER_SPELLINGS: Final = {
    "FormatViolation": "FormationViolation",
    "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
    "MessageTypeNotSupported": "NotSupported",
    "RpcFrameworkError": "ProtocolError",
}


def read_code(text: str) -> str:
    """Return the peer's code in the spelling of OCPP 1.6. An unknown code is returned unchanged."""
    return _OTHER_SPELLINGS.get(text, text)


def shorten(text: str, limit: int = DESCRIPTION_LIMIT) -> str:
    """Return at most `limit` characters of the text; a cut text ends in "..."."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


class PayloadInvalid(ValueError):  # noqa: N818  the name says it
    """A payload does not fit its action.

    `code` is the error code for the CALLERROR. `path` names the field, and "" means the payload itself.
    `text` says what was wrong, then what would be right, in at most 255 characters. The text quotes a
    value only where an enumeration names the values that are allowed.
    """

    def __init__(self, code: ErrorCode, text: str, path: str = "") -> None:
        self.code: ErrorCode = code
        self.path = path
        self.text = shorten(f"{path}: {text}" if path else text)
        super().__init__(self.text)


class CallOutstanding(RuntimeError):  # noqa: N818  the name says it
    """Our own code made a CALL while another CALL still waits for its answer (OCPP-J 4.1.1)."""
