"""Lets Ctrl-C end a process without a traceback while it is still importing."""

import signal


def end_silently() -> None:
    """Let SIGINT end this process by its default action until something handles it.

    Call it before the imports that take time. Python answers SIGINT with a traceback even before our first
    line runs. So the program that starts this process may block SIGINT, which then waits until this call.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def hold() -> None:
    """Block SIGINT until the program that replaces this one calls `end_silently`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
