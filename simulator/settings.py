"""The options of the process: each is a command line option and a SIMULATOR_* variable."""

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.demo import DEMO_INBOUND_URL, demo_accounts


@dataclass
class Settings:
    """Times are seconds before `time_scale` is applied; `state` is None for memory only."""

    host: str = "127.0.0.1"
    port: int = 8001
    state: str | None = None
    accounts: list[dict[str, Any]] = field(default_factory=list)
    inbound_url: str = DEMO_INBOUND_URL
    public_url: str | None = None
    faults: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    latency_ms: float = 0.0
    window: str = "closed"
    auto_read: bool = True
    time_scale: float = 1.0
    sent_after: float = 0.1
    delivered_after: float = 0.2
    read_after: float = 1.5
    fetch_media: bool = True
    webhook_concurrency: int = 200
    log_size: int = 200_000

    def __post_init__(self) -> None:
        if self.window not in ("open", "closed"):
            raise ValueError("window must be open or closed")
        if not self.accounts:
            self.accounts = demo_accounts(self.inbound_url)

    @property
    def listening_url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """The public address: the base of links to media."""
        return (self.public_url or self.listening_url).rstrip("/")


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "on", "true", "yes"):
        return True
    if lowered in ("0", "off", "false", "no"):
        return False
    raise argparse.ArgumentTypeError(f"expected on or off, not {text!r}")


@dataclass(frozen=True)
class Option:
    name: str
    parse: Callable[[str], Any]
    help: str

    @property
    def variable(self) -> str:
        return "SIMULATOR_" + self.name.upper()


OPTIONS: tuple[Option, ...] = (
    Option("host", str, "address to listen on"),
    Option("port", int, "port to listen on; 0 picks a free one"),
    Option("state", str, "SQLite file that keeps chats and messages between runs"),
    Option("accounts", json.loads, "JSON list of accounts, see docs/simulator.md"),
    Option("inbound_url", str, "webhook of the demonstration senders"),
    Option("public_url", str, "base of media links, and a host to answer as (default: host, port)"),
    Option("faults", json.loads, "JSON fault plan, as PUT /control/faults takes it"),
    Option("seed", int, "seed of faults that strike by rate"),
    Option("latency_ms", float, "added to the answer of every API call"),
    Option("window", str, "open or closed: the 24-hour window of numbers that never wrote"),
    Option("auto_read", _boolean, "ready-made phones read by themselves (on or off)"),
    Option("time_scale", float, "multiplies every delay; 0.1 is ten times faster"),
    Option("sent_after", float, "seconds from accepted to sent"),
    Option("delivered_after", float, "seconds from sent to delivered"),
    Option("read_after", float, "seconds from delivered to read, if the phone reads by itself"),
    Option("fetch_media", _boolean, "download MediaUrl as the vendor does (on or off)"),
    Option("webhook_concurrency", int, "webhooks in flight at once"),
    Option("log_size", int, "entries that the log keeps"),
)


def load_settings(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the options; the command line takes precedence over the environment. Exits on an invalid
    value."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    for option in OPTIONS:
        parser.add_argument(
            "--" + option.name.replace("_", "-"),
            type=option.parse,
            default=argparse.SUPPRESS,
            help=f"{option.help} [{option.variable}]",
        )
    values: dict[str, Any] = {}
    for option in OPTIONS:
        text = environment.get(option.variable, "")
        if text:
            try:
                values[option.name] = option.parse(text)
            except (ValueError, argparse.ArgumentTypeError) as error:
                parser.error(f"{option.variable}: {error}")
    values.update(vars(parser.parse_args(list(argv))))
    try:
        return Settings(**values)
    except ValueError as error:
        parser.error(str(error))
