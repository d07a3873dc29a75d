"""What ends a session or a request. What a caller must decide on is returned, never raised."""


class StateError(Exception):
    pass


class StoreUnavailable(StateError):  # noqa: N818  the name says what happened
    """The store did not answer in time, or is not one we may use. `sent`: it may have run the command."""

    def __init__(self, why: str, *, sent: bool = False) -> None:
        super().__init__(why)
        self.sent = sent


class StoreRefused(StateError):  # noqa: N818  the name says what happened
    """The server's settings cannot give the promised durability; the text says which, and the right ones."""


class Superseded(StateError):  # noqa: N818  the name says what happened
    """A newer session holds this charge point's lease: this one closes."""


class LeaseLost(StateError):  # noqa: N818  the name says what happened
    """The store knows an older epoch or none (rolled back or wiped): re-adopt the lease, stay open."""


class IdsExhausted(StateError):  # noqa: N818  the name says what happened
    """No transaction id below 2^31 is left for this charge point."""
