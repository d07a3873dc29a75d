"""Ctrl-C while a process is still importing: it has nothing to clean up yet, so it needs no traceback."""

import signal


def end_silently() -> None:
    """Let SIGINT end this process by its default action until something handles it.

    Call it before the imports that take time. Whoever starts us may block SIGINT, which then waits until
    here: Python answers it with a traceback even before our first line runs.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def hold() -> None:
    """Block SIGINT until the program that replaces us calls `end_silently`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
