"""What can be wrong with a backup."""

from state.errors import StateError


class BackupFailed(StateError):  # noqa: N818  the text says what is wrong
    """A backup cannot be written, read or restored. The text is one line with the reason and what to do."""
