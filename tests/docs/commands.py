"""The commands of the documentation that are checked without being run, and how.

A command in a block of the language `sh` is run, unless its program is in `PROGRAMS` with a reason.
A command within a sentence is checked if its program is in `PROGRAMS`.
"""

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import yaml
from celery.bin.celery import celery
from click import Command
from click.testing import CliRunner
from flask import Flask
from gunicorn.config import Config
from schemathesis.cli import schemathesis

import bench.measure
import tests.chaos.__main__ as chaos
from app.cli import commands
from dev.__main__ import arguments as dev_arguments
from simulator.settings import load_settings
from tests.architecture.source import ROOT

Words = Sequence[str]


class Wrong(Exception):
    """The command would not work; the text says why."""


@dataclass(frozen=True)
class Program:
    """How to check a command without running it, and the reason for which it is never run (empty:
    the blocks run it)."""

    check: Callable[[Words], None]
    not_run: str = ""


def words_of(command: str) -> list[str]:
    """Return the words of a command, without comment, redirection, and folder of the programs."""
    words = shlex.split(command, comments=True)
    end = words.index(">") if ">" in words else len(words)
    return [word.removeprefix(".venv/bin/") for word in words[:end]]


def program_of(words: Words) -> Program | None:
    """Return the entry of the longest name with which the command begins."""
    names = [name for name in PROGRAMS if list(words[: len(name.split())]) == name.split()]
    return PROGRAMS[max(names, key=len)] if names else None


def check(words: Words) -> None:
    """Raises Wrong. A program that is not in the table is not checked, nor is a mere name."""
    program = program_of(words)
    if program is not None and len(words) > 1:
        program.check(words)


def is_not_run(line: str) -> bool:
    """Return whether a line of a script is a command that is checked and not run."""
    name = line.strip().partition(" ")[0].removeprefix(".venv/bin/")
    if name not in {each.partition(" ")[0] for each in PROGRAMS}:
        return False
    program = program_of(words_of(line))
    return program is not None and bool(program.not_run)


def check_make(words: Words) -> None:
    """The target exists, its recipe reads the given variables, and its program accepts ARGS."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)
    for target in [word for word in words[1:] if "=" not in word]:
        if target not in targets:
            raise Wrong(f"the Makefile has no target {target}")
        for name, _, value in [word.partition("=") for word in words[1:] if "=" in word]:
            recipe = makefile.partition(f"\n{target}:")[2].partition("\n\n")[0]
            if f"$({name})" not in recipe and f"$(if $({name})" not in recipe:
                raise Wrong(f"make {target} does not read {name}")
            if name == "ARGS":
                check_arguments(target, shlex.split(value))


def check_arguments(target: str, arguments: list[str]) -> None:
    accepts = ARGUMENTS.get(target)
    if accepts is None:
        raise Wrong(f"tests/docs/commands.py does not know the ARGS of make {target}")
    try:
        accepts(arguments)
    except SystemExit as error:
        raise Wrong(f"make {target} does not accept {arguments}: {error}") from error


def collect(arguments: list[str]) -> None:
    """Let pytest collect these tests. Raises Wrong if it does not accept the arguments, or finds
    none."""
    options = ["--noconftest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"pytest {arguments}: {done.stdout}{done.stderr}")


def check_schemathesis(arguments: list[str]) -> None:
    check_click(schemathesis, ["run", "http://127.0.0.1/openapi.json", *arguments])


ARGUMENTS: dict[str, Callable[[list[str]], object]] = {
    "bench": bench.measure.parse,
    "chaos": chaos.parse,
    "fuzz": check_schemathesis,
    "test": collect,
}
"""Target → what reads its ARGS, and raises for wrong ones."""


def check_click(command: Command, words: Words) -> None:
    """Click reads all options before it obeys --help, so an unknown one is refused."""
    done = CliRunner().invoke(command, [*words, "--help"])
    if done.exit_code:
        raise Wrong(done.output)


def check_flask(words: Words) -> None:
    if list(words[1:3]) != ["--app", "wsgi"]:
        raise Wrong("flask needs --app wsgi")
    app = Flask("recado")
    commands.init_app(app)
    check_click(app.cli, words[3:])


def check_celery(words: Words) -> None:
    if words[1] != "-A":
        raise Wrong("celery needs -A")
    check_module(words[2].partition(":")[0])
    check_click(celery, words[3:])


def check_gunicorn(words: Words) -> None:
    try:
        given = Config().parser().parse_args(list(words[1:]))
    except SystemExit as error:
        raise Wrong(f"gunicorn does not accept {words[1:]}") from error
    for module in given.args:
        check_module(module.partition(":")[0])


def check_python(words: Words) -> None:
    match list(words):
        case [_, "-c", code]:
            compile(code, "the documentation", "exec")
        case [_, "-m", module, *_]:
            check_module(module)
        case _:
            raise Wrong("say -c CODE or -m MODULE")


def check_module(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        raise Wrong(f"there is no module {name}")


def check_simulator(words: Words) -> None:
    if "--help" not in words:
        try:
            load_settings(words[3:], {})
        except SystemExit as error:
            raise Wrong(f"the simulator does not accept {words[3:]}") from error


def check_dev(words: Words) -> None:
    try:
        chosen = dev_arguments(list(words[3:]))
    except SystemExit as error:
        raise Wrong(f"python -m dev does not accept {words[3:]}") from error
    check(words_of(shlex.join(getattr(chosen, "argv", []))))


def check_compose(words: Words) -> None:
    """The profile and the service exist; what runs in a container is checked, too."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    profiles = {name for each in services.values() for name in each.get("profiles", [])}
    rest = list(words[2:])
    if rest[:1] == ["--profile"]:
        if rest[1] not in profiles:
            raise Wrong(f"docker-compose.yml has no profile {rest[1]}")
        rest = rest[2:]
    named = [place for place, word in enumerate(rest[1:], start=1) if not word.startswith("-")]
    if named:
        if rest[named[0]] not in services:
            raise Wrong(f"docker-compose.yml has no service {rest[named[0]]}")
        check(rest[named[0] + 1 :])


def check_image(words: Words) -> None:
    """The image is one of those that our files name."""
    files = [
        (ROOT / name).read_text(encoding="utf-8") for name in ("Dockerfile", "docker-compose.yml")
    ]
    if not any(words[4] in text for text in files):
        raise Wrong(f"no file of ours names the image {words[4]}")


def check_file(words: Words) -> None:
    if not (ROOT / words[0]).is_file():
        raise Wrong(f"there is no {words[0]}")


def accept(words: Words) -> None:
    """Nothing of ours is in this command."""


PROGRAMS = {
    "make": Program(check_make, "it starts a stack of its own, takes minutes or changes the code"),
    ".ci/run": Program(check_file, "it runs all of make's targets that test"),
    "docker compose": Program(check_compose, "no Docker engine is needed for the tests"),
    "docker buildx imagetools inspect": Program(check_image, "it asks a registry"),
    "python": Program(check_python),
    "python -m simulator": Program(check_simulator, "it runs until it is stopped"),
    "python -m dev": Program(check_dev, "it starts another stack"),
    "flask": Program(check_flask),
    "gunicorn": Program(check_gunicorn, "it runs until it is stopped"),
    "celery": Program(check_celery, "it runs until it is stopped"),
    "sysctl": Program(accept, "it changes the machine"),
}
"""The beginning of a command → how it is checked."""
