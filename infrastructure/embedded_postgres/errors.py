"""What can keep the embedded server from running."""


class EmbeddedPostgresError(Exception):
    """The embedded server cannot be used; the message says why and what its reader can do about it."""
