"""The table of the processes that `make run` starts in addition to the two databases."""

import json
import secrets
import shutil
import signal
import sys
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dev import ports, private_file
from dev.settings import StackSettings
from simulator.demo import DEMO_MODEL_KEY, demo_accounts

WEB_WORKERS = 2
WEB_THREADS = 16
WORKERS = {
    "scheduler": 2,
    "replies": 4,
    "delivery": 4,
    "inbox": 4,
    "settling": 64,
    "turns": 224,
    "housekeeping": 4,
}
"""Queue → threads of the process that works on it. Each queue has a process of its own, so that
slow work takes neither a thread nor the interpreter lock from fast work."""

NICENESS = {"delivery": 5, "inbox": 5, "turns": 5, "settling": 10, "housekeeping": 15}
"""Somebody waits for the web service, for replies and for the scheduler; the other work can wait.
"""

_CELERY_APP = "app.tasks.worker:celery"


@dataclass(frozen=True)
class Command:
    """One process.

    `health_url` is polled until it answers below 500; without one, a process counts as started once
    it runs. `death_signal`: see `dev.launch.Launch`. The stack stops stage by stage, the lowest
    first: producers of work before its consumers.
    """

    name: str
    argv: tuple[str, ...]
    health_url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    death_signal: signal.Signals = signal.SIGKILL
    stop_stage: int = 0
    niceness: int = 0


@dataclass(frozen=True)
class ProcessTable:
    """`preparations` run one after the other until they end, then the `services` run in
    parallel."""

    preparations: tuple[Command, ...]
    services: tuple[Command, ...]
    env: Mapping[str, str]


def recado(settings: StackSettings, database_url: str, redis_url: str) -> ProcessTable:
    """Recado itself, on the given databases."""
    python = sys.executable
    return ProcessTable(
        preparations=(
            Command("migrate", (python, "-m", "flask", "--app", "wsgi", "database", "upgrade")),
            Command("seed", (python, "-m", "flask", "--app", "wsgi", "demo", "seed")),
        ),
        services=(
            _web(settings),
            *(_worker(queue, threads) for queue, threads in WORKERS.items()),
            _beat(settings.data_dir),
            _simulator(settings),
        ),
        env=_environment(settings, database_url, redis_url),
    )


def _web(settings: StackSettings) -> Command:
    return Command(
        "web",
        (
            *(sys.executable, "-m", "gunicorn", "wsgi:app"),
            *("--bind", f"127.0.0.1:{settings.web_port}"),
            *("--workers", str(WEB_WORKERS), "--threads", str(WEB_THREADS)),
            *("--graceful-timeout", "10", "--log-level", "warning"),
        ),
        health_url=f"{settings.web_url}/health",
        env={"WEB_THREADS": str(WEB_THREADS)},
        # Its workers notice within a second that the master is gone, and end too.
        death_signal=signal.SIGTERM,
    )


def _worker(queue: str, threads: int) -> Command:
    name = f"worker-{queue}"
    return Command(
        name,
        (
            *(sys.executable, "-m", "celery", "--quiet", "-A", _CELERY_APP, "worker"),
            *("--queues", queue, "--pool", "threads", "--concurrency", str(threads)),
            *("--hostname", f"{queue}@%h"),
            *("--loglevel", "INFO", "--without-gossip", "--without-mingle"),
        ),
        # In a container a developer is often root, about which Celery warns at length.
        env={"PYTHONWARNINGS": "ignore::UserWarning:celery.platforms"},
        stop_stage=1,
        niceness=NICENESS.get(queue, 0),
    )


def _beat(data_dir: Path) -> Command:
    schedule = data_dir / "celerybeat-schedule"
    return Command(
        "beat",
        (
            *(sys.executable, "-m", "celery", "--quiet", "-A", _CELERY_APP, "beat"),
            *("--schedule", str(schedule), "--pidfile", "", "--loglevel", "WARNING"),
        ),
    )


def _simulator(settings: StackSettings) -> Command:
    return Command(
        "simulator",
        (
            *(sys.executable, "-m", "simulator", "--host", "127.0.0.1"),
            *("--port", str(settings.simulator_port)),
            *("--state", str(settings.data_dir / "simulator.sqlite")),
        ),
        health_url=f"{settings.simulator_url}/",
        env=_simulator_environment(settings),
        stop_stage=2,
    )


def _environment(settings: StackSettings, database_url: str, redis_url: str) -> dict[str, str]:
    """Return our defaults, overridden by the developer's choice, overridden by what the stack
    decides."""
    defaults = {
        **_development_secrets(settings.data_dir),
        "PUBLIC_BASE_URL": settings.web_url,
        "TWILIO_API_BASE_URL": settings.simulator_url,
        "META_GRAPH_BASE_URL": settings.simulator_url,
        **_models(settings),
        "LOG_FORMAT": "text",
    }
    chosen = {name: value for name, value in settings.environ.items() if value}
    decided = {
        "APP_ENV": "development",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SIMULATOR_URL": settings.simulator_url,
        "ALLOWED_PRIVATE_HOSTS": _private_hosts(settings),
        "PYTHONUNBUFFERED": "1",
        "PROMETHEUS_MULTIPROC_DIR": str(_metrics_folder(settings.data_dir)),
    }
    if settings.starts_postgres:
        # A DIRECT_URL left in .env would send our migrations to another database.
        decided["DIRECT_URL"] = database_url
    return {**defaults, **chosen, **decided}


def _models(settings: StackSettings) -> dict[str, str]:
    """The simulated models, unless the developer has a key of OpenAI's or names another server."""
    if settings.environ.get("OPENAI_API_KEY") or settings.environ.get("OPENAI_BASE_URL"):
        return {}
    return {
        "OPENAI_BASE_URL": f"{settings.simulator_url}/openai/v1",
        "OPENAI_API_KEY": DEMO_MODEL_KEY,
    }


def _private_hosts(settings: StackSettings) -> str:
    """Return the developer's hosts and the simulator, whose sample media can thus be sent."""
    chosen = settings.environ.get("ALLOWED_PRIVATE_HOSTS")
    simulator = [f"{host}:{settings.simulator_port}" for host in (ports.HOST, "localhost")]
    return ",".join([chosen, *simulator] if chosen else simulator)


def _simulator_environment(settings: StackSettings) -> dict[str, str]:
    """The simulator calls the address that the service signs for, as the real provider would."""
    public_url = settings.environ.get("PUBLIC_BASE_URL") or settings.web_url
    inbound_url = f"{public_url.rstrip('/')}/webhook/twilio"
    accounts = demo_accounts(inbound_url)
    own = _own_account(settings.environ, inbound_url)
    if own is not None:
        accounts = [account for account in accounts if account["sid"] != own["sid"]] + [own]
    return {"SIMULATOR_INBOUND_URL": inbound_url, "SIMULATOR_ACCOUNTS": json.dumps(accounts)}


def _own_account(environ: Mapping[str, str], inbound_url: str) -> dict[str, object] | None:
    """Return the developer's own Twilio account in the simulator's form, if all of it is set."""
    sid, token = environ.get("TWILIO_ACCOUNT_SID"), environ.get("TWILIO_AUTH_TOKEN")
    sender = environ.get("TWILIO_WHATSAPP_FROM")
    if not (sid and token and sender):
        return None
    number = f"whatsapp:{sender.removeprefix('whatsapp:')}"
    senders = [{"number": number, "inbound_url": inbound_url}]
    return {"sid": sid, "auth_token": token, "senders": senders}


def _metrics_folder(data_dir: Path) -> Path:
    """Return the folder where the web processes add up their metrics, emptied of those of old
    processes."""
    folder = data_dir / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _development_secrets(data_dir: Path) -> dict[str, str]:
    """Return the secrets of this folder's stack, created once, because the stored data is encrypted
    with them."""
    path = data_dir / "secrets.json"
    kept = private_file.read(path)
    if not kept:
        key = b64encode(secrets.token_bytes(32)).decode()
        kept = {"SECRET_KEY": secrets.token_urlsafe(48), "ENCRYPTION_KEYS": f"development:{key}"}
        private_file.write(path, kept)
    return kept
