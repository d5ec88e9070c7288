"""The errors of the development stack."""


class DevError(Exception):
    """A failure whose message is a sentence that the developer can act on."""
