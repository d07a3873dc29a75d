"""How a handshake ends that does not become a session."""

from gateway.admission.reasons import RETRY_AFTER_S, Reason
from state.keys import ChargePointKeys


class Refusal(Exception):  # noqa: N818  an answer, not an error of ours
    """A handshake that does not become a session. `values` fill the text of the reason.

    `detail` is for the operator. `keys` are those of the charge point, if it is or may be registered.
    """

    def __init__(
        self,
        reason: Reason,
        *values: object,
        retry_after_s: int | None = None,
        detail: str = "",
        keys: ChargePointKeys | None = None,
    ) -> None:
        super().__init__(reason.word)
        self.reason = reason
        self.text = reason.text.format(*values)
        if retry_after_s is None and reason.status == 503:
            retry_after_s = RETRY_AFTER_S
        self.retry_after_s = retry_after_s
        self.detail = detail
        self.keys = keys
