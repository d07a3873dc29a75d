"""Lets SIGINT and SIGTERM end a process without a traceback while it is still importing."""

import os
import signal

_BOTH = {signal.SIGINT, signal.SIGTERM}


def end_silently() -> None:
    """Let SIGINT and SIGTERM end this process by their default action until something handles them.

    Call it before the imports that take time. Python answers SIGINT with a traceback even before our first
    line runs. The kernel drops a SIGTERM to the first process of a container while nothing handles it. So the
    program that starts this process may block both signals, which then wait until this call.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if os.getpid() == 1:
        # The kernel takes no default action on the first process of a container.
        signal.signal(signal.SIGTERM, lambda number, _frame: os._exit(128 + number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _BOTH)


def hold() -> None:
    """Block both signals until the program that replaces this one calls `end_silently`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _BOTH)
