"""The one class of errors that are meant for the user."""


class DropshipError(Exception):
    """What happened, to which thing, and what to do; shown as it is, without a traceback."""
