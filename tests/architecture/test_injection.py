"""No code runs what somebody sent: no eval, no shell, no pickles, no XML parser, no SQL or pattern
out of pieces. No secret is made of numbers that can be predicted. No broken algorithm is used."""

import ast
from collections.abc import Callable, Iterator

import pytest

from tests.architecture.habits import called, calls
from tests.architecture.source import Source, sources

RUNNERS = frozenset(
    {"eval", "exec", "compile", "__import__", "render_template_string", "literal_eval"}
)
MODULES = frozenset(
    {
        *("subprocess", "pty", "pickle", "marshal", "shelve", "dill", "code", "codeop"),
        *("xml", "lxml", "defusedxml", "jinja2", "mako", "ldap3", "ctypes", "cffi"),
    }
)
SHELLS = frozenset({"system", "popen", "spawnl", "spawnv", "execv", "execvp"})
TAKES_SQL = frozenset({"text", "execute", "exec_driver_sql", "scalar", "scalars"})
WEAK = frozenset(
    {"md5", "sha1", "MD5", "SHA1", "DES", "TripleDES", "ARC4", "Blowfish", "ECB", "CBC"}
)

MAKES_PATTERNS = {"app.errors": "out of the routes of the service, escaped"}
ONLY_SPREADS = {
    "app.delivery.outcomes": "the pause before a message is sent again",
    "app.channels.trouble": "the pause of a channel",
    "app.inbox.repair": "the order in which lists are read",
    "app.inbox.reading": "the pause before a list is read again",
    "app.common.faultpoint": "the chance with which a proof breaks a process",
}
"""Modules that use numbers which can be predicted, for nothing that must not be guessed."""


RUNS_PROGRAMS = {
    "app.knowledge.pdf": "runs a program of ours, without a shell, that reads PDFs under limits",
}


def dangerous(source: Source) -> list[str]:
    """Return each use of something that runs text, or reads it into objects."""
    found = [
        f"{source.name}:{each.line} imports {each.target}"
        for each in source.imports
        if each.target.partition(".")[0] in MODULES
        and not (each.target == "subprocess" and source.name in RUNS_PROGRAMS)
    ]
    for call in calls(source):
        is_plain = isinstance(call.func, ast.Name)
        if is_plain and called(call) in RUNNERS:
            found.append(f"{source.name}:{call.lineno} calls {called(call)}")
        if owner(call) == "os" and called(call) in SHELLS:
            found.append(f"{source.name}:{call.lineno} calls os.{called(call)}")
        if owner(call) == "yaml":
            found.append(f"{source.name}:{call.lineno} reads YAML")
    return found


def owner(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(value=ast.Name(id=name)):
            return name
        case _:
            return ""


def pieced_sql(source: Source) -> list[str]:
    """Return each statement that a function puts together out of text.

    At the top of a module there is nothing that anybody sent.
    """
    return [
        f"{source.name}:{call.lineno} builds SQL"
        for function in ast.walk(source.tree)
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and called(call) in TAKES_SQL and call.args
        if is_pieced(call.args[0])
    ]


def is_pieced(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr(values=values):
            return any(isinstance(each, ast.FormattedValue) for each in values)
        case ast.BinOp(op=ast.Add() | ast.Mod()):
            return True
        case ast.Call(func=ast.Attribute(attr="format" | "join")):
            return True
        case _:
            return False


def pieced_patterns(source: Source) -> list[str]:
    """Return each pattern or format that a function makes out of what it was given."""
    found = []
    for function in ast.walk(source.tree):
        for call in calls_in(function) if isinstance(function, ast.FunctionDef) else ():
            if owner(call) == "re" and call.args and not isinstance(call.args[0], ast.Constant):
                found.append(f"{source.name}:{call.lineno} makes a pattern")
            if called(call) == "format" and owner(call) and not owner(call).isupper():
                found.append(f"{source.name}:{call.lineno} formats with a text that it was given")
    return found if source.name not in MAKES_PATTERNS else []


def calls_in(function: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(function) if isinstance(node, ast.Call))


def guessable(source: Source) -> list[str]:
    """Return each use of numbers that can be predicted."""
    return [
        f"{source.name}:{each.line} imports {each.target}"
        for each in source.imports
        if each.target.partition(".")[0] == "random" and source.name not in ONLY_SPREADS
    ]


def weak_cryptography(source: Source) -> list[str]:
    """Return each name of a broken hash, cipher or mode."""
    found = []
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in WEAK:
                found.append(f"{source.name}:{node.lineno} names {name}")
            case ast.Import() | ast.ImportFrom():
                names = {each.name.rpartition(".")[2] for each in node.names}
                found += [f"{source.name}:{node.lineno} imports {each}" for each in names & WEAK]
    return found


RULES = (dangerous, pieced_sql, pieced_patterns, guessable, weak_cryptography)


@pytest.mark.parametrize("rule", RULES)
def test_the_service_holds_none(rule: Callable[[Source], list[str]]) -> None:
    assert [problem for source in sources("app") for problem in rule(source)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from xml.etree import ElementTree",
        "eval(given)",
        "os.system(given)",
        "import subprocess",
        "yaml.load(given)",
        "render_template_string(given)",
    ],
)
def test_a_planted_danger_is_noticed(text: str) -> None:
    assert len(dangerous(Source("app.planted", text))) == 1


@pytest.mark.parametrize(
    "argument",
    ['f"select {given}"', '"select " + given', '"select %s" % given', '"{}".format(given)'],
)
def test_planted_sql_out_of_pieces_is_noticed(argument: str) -> None:
    planted = f"def find(given):\n    return session.execute(text({argument}))"
    assert pieced_sql(Source("app.planted", planted)) != []
    assert pieced_sql(Source("app.planted", "def f():\n    text('select :given')")) == []


@pytest.mark.parametrize("text", ["re.compile(given)", "re.search(given, text)", "given.format(1)"])
def test_a_planted_pattern_is_noticed(text: str) -> None:
    planted = f"def find(given, text):\n    return {text}"
    assert len(pieced_patterns(Source("app.planted", planted))) == 1


def test_a_planted_guessable_number_is_noticed() -> None:
    assert len(guessable(Source("app.planted", "from random import choice"))) == 1


@pytest.mark.parametrize("text", ["hashlib.md5(given)", "from hashlib import sha1", "modes.ECB()"])
def test_a_planted_broken_algorithm_is_noticed(text: str) -> None:
    assert len(weak_cryptography(Source("app.planted", text))) == 1
