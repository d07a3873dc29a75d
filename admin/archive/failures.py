"""What can be wrong with an archive."""


class ArchiveFailed(Exception):  # noqa: N818  The text says what is wrong.
    """The archive cannot be read or written. The text is one line with the reason."""
