"""The error that the command tells its user in one line."""


class CommandError(Exception):
    """The user's input is at fault: a word, a file, or a name for the picture.  The message says what to write instead."""
