"""The measurements; they use the stack of the environment, which `python -m bench` starts."""

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench import figures, picture
from bench.figures import Sheet
from bench.measures import (
    accept,
    cost,
    crowd,
    doors,
    drain,
    fairness,
    growth,
    life,
    memory,
    slow_provider,
    turns,
    webhook,
)
from bench.scale import FULL, SHORT, Scale
from bench.world import World

Measure = Callable[[World, Scale, Sheet], Awaitable[None]]

MEASURES: dict[str, Measure] = {
    "accept": accept.measure,
    "webhook": webhook.measure,
    "cost": cost.measure,
    "life": life.measure,
    "drain": drain.measure,
    "fairness": fairness.measure,
    "crowd": crowd.measure,
    "slow": slow_provider.measure,
    "doors": doors.measure,
    "turns": turns.measure,
    "memory": memory.measure,
    "growth": growth.measure,
}
RESULTS = Path(__file__).with_name("results")


def main(arguments: list[str]) -> int:
    """Return 0 whatever the figures are, because a busy machine is no bug.

    Raises RuntimeError if a measurement breaks: nothing is answered, or messages are missing.
    """
    chosen = parse(arguments)
    scale = SHORT if chosen.short else FULL
    if chosen.memory_messages:
        scale = replace(scale, memory_messages=chosen.memory_messages)
    if chosen.growth_messages:
        scale = replace(scale, growth_messages=chosen.growth_messages)
    sheet = asyncio.run(_measure(chosen.only, scale))
    caption = describe_run()
    print(f"\n{caption}\n\n{figures.plain(sheet.figures)}")
    _keep(sheet, caption)
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options; `only` is a list of names. Raises SystemExit for wrong ones."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="seconds of load: shows that it runs")
    parser.add_argument("--only", default=",".join(MEASURES), help="comma-separated measurements")
    parser.add_argument("--memory-messages", type=int, help="how many the memory run sends")
    parser.add_argument("--growth-messages", type=int, help="to how many the database grows")
    chosen = parser.parse_args(arguments)
    names = chosen.only.split(",")
    if unknown := [name for name in names if name not in MEASURES]:
        parser.error(f"no such measurement: {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    chosen.only = names
    return chosen


async def _measure(names: list[str], scale: Scale) -> Sheet:
    sheet = Sheet()
    world = World(os.environ["SIMULATOR_URL"])
    for name in names:
        print(name, flush=True)
        await MEASURES[name](world, scale, sheet)
    return sheet


def describe_run() -> str:
    moment = datetime.now(UTC)
    return (
        f"{moment:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {platform.system()}"
        f" {platform.machine()}, Python {platform.python_version()},"
        " everything on this machine"
    )


def _keep(sheet: Sheet, caption: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    found = {"run": caption, "figures": [each.to_json() for each in sheet.figures]}
    (RESULTS / "latest.json").write_text(json.dumps(found, indent=2), encoding="utf-8")
    (RESULTS / "latest.md").write_text(figures.markdown(sheet.figures) + "\n", encoding="utf-8")
    (RESULTS / "latest.svg").write_text(picture.svg(sheet.figures, caption), encoding="utf-8")
    print(f"\nKept in {RESULTS.relative_to(Path.cwd())}/latest.json, latest.md and latest.svg.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
