"""An empty web application, an empty Celery application, and a stack that runs them.

`python stand_in.py DATA_DIR WEB_PORT SIMULATOR_PORT [BROKEN]` runs Recado's own process table with
these two in place of Recado, so that a test can kill the real gunicorn and Celery. BROKEN names a
process to replace by one that prints a line and exits with code 3.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from celery import Celery

from dev.__main__ import run
from dev.log import standard_log
from dev.processes import Command, ProcessTable, recado
from dev.settings import StackSettings

MODULE = "tests.dev.stand_in"
# RECADO_TEST marks every process, so that the census finds it.
KEPT = ("PATH", "HOME", "RECADO_TEST")
SPOKEN = "import sys; print('I am broken'); sys.exit(3)"
COUNT_STARTS = (
    "import psycopg2, os; c = psycopg2.connect(os.environ['DATABASE_URL']); k = c.cursor();"
    "k.execute('CREATE TABLE IF NOT EXISTS starts (n int)');"
    "k.execute('INSERT INTO starts VALUES (1)'); c.commit();"
    "k.execute('SELECT count(*) FROM starts'); print('start number', k.fetchone()[0])"
)

celery = Celery("stand-in", broker=os.environ.get("REDIS_URL", ""))


def app(environ: dict[str, object], start: Callable[..., object]) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]


def table(broken: str, settings: StackSettings, database_url: str, redis_url: str) -> ProcessTable:
    real = recado(settings, database_url, redis_url)
    count = Command("migrate", (sys.executable, "-c", COUNT_STARTS))
    phone = (
        *(sys.executable, "-m", "http.server", "--bind", "127.0.0.1"),
        *("--directory", str(settings.data_dir), str(settings.simulator_port)),
    )
    services = []
    for command in real.services:
        argv = phone if command.name == "simulator" else command.argv
        argv = tuple(part.replace("wsgi:app", f"{MODULE}:app") for part in argv)
        argv = tuple(part.replace("app.tasks.worker", MODULE) for part in argv)
        if command.name == broken:
            argv = (sys.executable, "-c", SPOKEN)
        services.append(replace(command, argv=argv))
    return ProcessTable((count,), tuple(services), real.env)


def main(data_dir: str, web_port: str, simulator_port: str, broken: str = "") -> int:
    settings = StackSettings(
        data_dir=Path(data_dir),
        environ={name: value for name, value in os.environ.items() if name in KEPT},
        web_port=int(web_port),
        simulator_port=int(simulator_port),
    )
    # Processes that a script starts in the background inherit that SIGINT is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return run(settings, standard_log(), partial(table, broken))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
