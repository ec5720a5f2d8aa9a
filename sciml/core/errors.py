"""The one exception that a user's mistake raises."""


class UserError(ValueError):
    """What was needed, what came and what to do about it, in one line for the user.

    The command line prints the message alone and exits with status 2; from Python it is a ValueError.
    """
