"""What can go wrong while the development stack starts or runs."""


class DevError(Exception):
    """A failure whose message is a sentence that the developer can act on."""
