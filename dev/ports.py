"""Finding free TCP ports on 127.0.0.1."""

import socket

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port now.

    Past connections (TIME_WAIT) do not count: servers set SO_REUSEADDR, and so do we.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def pick(wanted: int, remembered: int | None) -> int:
    """Return the wanted port; for 0 the last one while it is free, otherwise any free one."""
    if wanted:
        return wanted
    if remembered and is_free(remembered):
        return remembered
    return free_port()
