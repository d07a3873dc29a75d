"""The signals that end a run with a report."""

import signal
from signal import Signals


def ending_signals() -> tuple[Signals, ...]:
    """Return SIGINT, SIGTERM, and SIGHUP unless the run shall outlive its terminal (`nohup`)."""
    usual = (Signals.SIGINT, Signals.SIGTERM)
    return usual if signal.getsignal(Signals.SIGHUP) == signal.SIG_IGN else (*usual, Signals.SIGHUP)
