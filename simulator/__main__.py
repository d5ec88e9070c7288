"""`python -m simulator`: serve until SIGTERM or SIGINT."""

import asyncio
import signal
import sys

from simulator.server import listen
from simulator.settings import Settings, load_settings


async def _serve(settings: Settings) -> None:
    runner = await listen(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print(f"simulator listening on {settings.listening_url}", flush=True)
    await stop.wait()
    await runner.cleanup()


def main() -> int:
    settings = load_settings(sys.argv[1:])
    try:
        asyncio.run(_serve(settings))
    except (OSError, ValueError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
