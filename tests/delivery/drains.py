"""A worker during a `with` block, for sends that wait for the provider's answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.world import World


@contextmanager
def draining(world: World) -> Iterator[None]:
    """Drain the world's channel over and over in a thread."""
    is_over = threading.Event()

    def drain() -> None:
        while not is_over.wait(0.02):
            world.deliver()

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(10)
