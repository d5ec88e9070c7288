"""`python -m dev run` and `python -m dev exec -- command`."""

import argparse
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from types import FrameType
from urllib.parse import urlsplit

from dev.binaries import temporary_folder
from dev.errors import DevError
from dev.log import MergedLog, standard_log
from dev.processes import recado
from dev.settings import PROJECT, StackSettings, from_environment, temporary
from dev.stack import Stack, TableMaker, only_one
from dev.supervisor import Interrupted, Supervisor

PANEL = """
  Recado runs.

    API and its docs   {web}/docs
    {provider}
    Sign in            {sign_in}
    Data and logs      {data}

  {first_message}:

    TOKEN=$(curl -s {web}/auth/login -H 'Content-Type: application/json' \\
      -d '{{"username": "demo", "password": "{password}"}}' \\
      | sed 's/.*"access_token": *"\\([^"]*\\).*/\\1/')
    curl -s {web}/api/send -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
      -d '{{"to_number": "whatsapp:{number}", "body": "¡Hola desde la API!"}}'

  Ctrl-C stops everything.
"""


SIGN_IN = """user demo, password password
    Administrator      user admin, password password (runs the platform)"""
PUBLIC_SIGN_IN = """users demo and admin, with the passwords that the seed printed at the
                       first start with a public address"""
FIRST_MESSAGE = "A first message (the phone shows it)"
REAL_FIRST_MESSAGE = """A first message (NUMBER is yours, in the form +15551234567; write to your
  sender from it first, or send a template)"""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main(argv: list[str]) -> int:
    chosen = arguments(argv)
    log = standard_log()
    try:
        if chosen.command == "run":
            return run(from_environment(), log)
        return run_beside(chosen.argv, dict(chosen.settings))
    except DevError as error:
        log.problem(str(error))
        return 1


def arguments(argv: list[str]) -> argparse.Namespace:
    """Return the parsed command line. Raises SystemExit if it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m dev", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run the whole stack until Ctrl-C (make run)")
    execute = commands.add_parser(
        "exec", help="run a command beside a fresh, temporary stack on free ports"
    )
    execute.add_argument(
        "--set",
        action="append",
        default=[],
        type=setting,
        dest="settings",
        metavar="NAME=VALUE",
        help="a setting of the service; may be repeated",
    )
    execute.add_argument("argv", nargs="+", metavar="command")
    return parser.parse_args(argv)


def setting(text: str) -> tuple[str, str]:
    """Split `NAME=VALUE`. Raises ValueError."""
    name, is_given, value = text.partition("=")
    if not (name and is_given):
        raise ValueError(text)
    return name, value


def run(settings: StackSettings, log: MergedLog, table_maker: TableMaker = recado) -> int:
    """Return 0 after Ctrl-C or SIGTERM, 1 if a process ended by itself or did not start."""
    with only_one(settings.data_dir):
        stack = Stack(settings, log, table_maker)
        _stop_on_signals(stack.supervisor)
        problem = None
        try:
            stack.start()
            log.notice(panel(settings))
            problem = stack.wait()
        except Interrupted:
            log.notice("Stopped while starting.")
        except DevError as error:
            problem = str(error)
        finally:
            if problem:
                log.problem(problem)
            log.notice("Stopping.")
            stack.stop()
    return 1 if problem else 0


def run_beside(argv: list[str], chosen: Mapping[str, str]) -> int:
    """Run a command with the environment of a stack that has the chosen settings; return its exit
    code.

    The stack's log is shown only if the command or the stack fails.
    """
    folder = temporary_folder("stack")
    log_path = folder / "stack.log"
    code = 1
    try:
        with log_path.open("w", encoding="utf-8") as file:
            settings = temporary(folder)
            settings = replace(settings, environ={**settings.environ, **chosen})
            code = _run_beside(argv, Stack(settings, MergedLog(file)))
    finally:
        if code:
            last = log_path.read_text(encoding="utf-8").splitlines()[-60:]
            print("The log of the stack ends with:", *last, sep="\n", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
    return code


def _run_beside(argv: list[str], stack: Stack) -> int:
    _stop_on_signals(stack.supervisor)
    try:
        stack.start()
        return subprocess.run(argv, env=dict(stack.env), check=False, cwd=PROJECT).returncode
    except Interrupted:
        return 130
    finally:
        stack.stop()


def panel(settings: StackSettings) -> str:
    """Return what a person needs to know once everything runs."""
    is_public = urlsplit(settings.public_base_url).hostname not in LOOPBACK
    real = settings.real_provider
    return PANEL.format(
        web=settings.web_url,
        provider=f"Provider           {real}"
        if real
        else f"Phone to type on   {settings.simulator_url}/",
        first_message=REAL_FIRST_MESSAGE if real else FIRST_MESSAGE,
        number="NUMBER" if real else "+15551234567",
        data=settings.data_dir,
        sign_in=PUBLIC_SIGN_IN if is_public else SIGN_IN,
        password="PASSWORD" if is_public else "password",
    )


def _stop_on_signals(supervisor: Supervisor) -> None:
    """Stop on the first signal, and at once on the second."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        (supervisor.hurry if supervisor.stop_asked.is_set() else supervisor.stop_asked).set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Signals that nohup ignores stay ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, on_signal)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
