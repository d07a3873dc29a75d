"""Errors that end a session or a request.

An outcome that a caller must decide on is returned, never raised.
"""


class StateError(Exception):
    pass


class StoreUnavailable(StateError):  # noqa: N818  the name says what happened
    """The store did not answer in time, or cannot be used now.

    `sent` means that the store may have run the command.
    """

    def __init__(self, why: str, *, sent: bool = False) -> None:
        super().__init__(why)
        self.sent = sent


class StoreFull(StoreUnavailable):
    """The store has too little room for what was asked. Deleting and ending still work."""


class StoreRefused(StateError):  # noqa: N818  the name says what happened
    """The store cannot be used as it is set up; the text says what is wrong and what would be right."""


class Superseded(StateError):  # noqa: N818  the name says what happened
    """A newer session took the charge point's lease, or the lease was released or deleted.

    This session must close.
    """


class LeaseLost(StateError):  # noqa: N818  the name says what happened
    """The store was rolled back or wiped, and has an older epoch of the lease or no epoch.

    The session must stay open and take the lease again.
    """


class IdsExhausted(StateError):  # noqa: N818  the name says what happened
    """No transaction id below 2^31 is left for this charge point."""
