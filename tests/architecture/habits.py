"""Rules that apply to a single file. Each returns a list of sentences, one for each violation."""

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import Source

LONGEST_FILE = 400
NAMELESS = frozenset({"utils", "util", "helpers", "helper", "misc", "common_utils", "stuff"})
SECRET_WORDS = frozenset({"body", "token", "password", "secret", "auth_token", "credentials"})
LOG_METHODS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "bind"})

LATE_IMPORTS: dict[tuple[str, str], str] = {
    ("app.ai.client", "app.ai.vendor"): "OpenAI's library takes a second and 60 MB to import",
    ("app.knowledge.pdf_text", "pypdf"): "the limits of its process come first",
}
"""(module, imported): why this import is inside a function."""

READS_ENVIRONMENT = {
    "app.config": "the one place",
    "app.common.faultpoint": "proofs break a running process by it; it is no setting of a service",
}

MAKES_ENGINES = {
    "app.db": "the one place",
    "app.cli.database": "the gate looks at the catalogue from outside, unpinned",
}

VENDOR_WORDS = frozenset({"twilio", "messagingservice", "accountsid", "wamid"})
VENDOR_HOMES = {
    "app.config": "reads the providers' settings",
    "app.openapi.examples": "has examples of what providers send",
    "app.common.logging": "quiets the loggers of their libraries, which would log phone numbers",
    "app.cli.demo": "the demonstration's channel is at a provider",
    "app.cli.default_channel": "turns a provider's settings into a channel",
    "app.cli.tenants": "tells the operator which of those settings are missing",
}
VENDOR_WORDS_OF_OURS = {
    "Meta": "marshmallow's inner class",
    "metadata": "SQLAlchemy's and marshmallow's word",
    "MetaData": "SQLAlchemy's class",
    "remove_processors_meta": "structlog's word",
    "twilio_number": "a field that POST /send_whatsapp promises",
    "twilio_phone_number": "a field that POST /bots promises",
}


def too_long(source: Source) -> list[str]:
    """Migrations are exempt: each is written once and read as a record."""
    if source.name.startswith("migrations.versions."):
        return []
    lines = source.text.count("\n")
    return [f"{source.name} has {lines} lines"] if lines > LONGEST_FILE else []


def nameless(source: Source) -> list[str]:
    parts = source.name.split(".")
    return [
        f"{source.name}: {part} says nothing"
        for part in parts
        if part in NAMELESS or re.fullmatch(r".*[a-z][2-9]", part)
    ]


def late_imports(source: Source) -> list[str]:
    return [
        f"{source.name}:{each.line} imports {each.target} inside a function"
        for each in source.imports
        if each.inside_function and (source.name, each.target) not in LATE_IMPORTS
    ]


def opens_transactions(source: Source) -> list[str]:
    """Only app/db.py begins and ends transactions; savepoints are allowed everywhere."""
    if source.package != "app" or source.name in MAKES_ENGINES:
        return []
    found = []
    for call in calls(source):
        name = called(call)
        if isinstance(call.func, ast.Attribute) and name in {"commit", "begin", "rollback"}:
            found.append(f"{source.name}:{call.lineno} calls {name}()")
        makes = {"create_engine", "sessionmaker", "scoped_session"}
        if name in makes or (name == "Session" and imports_session(source)):
            found.append(f"{source.name}:{call.lineno} calls {name}()")
    return found


def imports_session(source: Source) -> bool:
    return any(each.target == "sqlalchemy.orm.Session" for each in source.imports)


def prints(source: Source) -> list[str]:
    if source.package != "app":
        return []
    return [f"{source.name}:{c.lineno} prints" for c in calls(source) if called(c) == "print"]


def reads_environment(source: Source) -> list[str]:
    """Settings are read in one place, so that each has a name, a type and a line in the docs."""
    if source.package != "app" or source.name in READS_ENVIRONMENT:
        return []
    return [
        f"{source.name}:{node.lineno} reads the environment"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    ]


def logs_secrets(source: Source) -> list[str]:
    if source.package != "app":
        return []
    return [
        f"{source.name}:{call.lineno} logs {keyword.arg}"
        for call in calls(source)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in LOG_METHODS
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in {"log", "logger", "logging"}
        for keyword in call.keywords
        if keyword.arg in SECRET_WORDS
    ]


def speaks_vendor(source: Source) -> list[str]:
    """Report vendor names outside app/channels/providers. Prose (docstrings) may contain them."""
    if source.package != "app" or source.name in VENDOR_HOMES:
        return []
    if source.name.startswith("app.channels.providers"):
        return []
    prose = {id(node) for node in docstrings(source.tree)}
    return [
        f"{source.name}:{line} says {word!r}"
        for node in ast.walk(source.tree)
        if id(node) not in prose
        for line, word in words_of(node)
        if is_vendor(word)
    ]


def queries_outside_repositories(source: Source) -> list[str]:
    """Endpoints and schemas contain no SQL."""
    if source.name.rpartition(".")[2] not in {"endpoints", "schemas"}:
        return []
    return [
        f"{source.name}:{each.line} imports {each.target}"
        for each in source.imports
        if each.target.partition(".")[0] in {"sqlalchemy", "psycopg2"}
        and not each.target.startswith("sqlalchemy.orm.Session")
    ]


SQL_BUILDERS = frozenset({"select", "insert", "update", "delete", "text", "exists"})
SQL_HOMES = {
    "app.messages.lists": "the queries of the lists of messages",
    "app.messages.search": "the queries of the search in texts",
    "app.health.service": "asks whether the database answers",
    "app.cli.database": "creates the login of the service",
    "app.cli.secrets": "walks over the sealed values of all tables",
}
SQL_FOUNDATION = ("app.common", "app.models", "app.tasks", "app.db")
"""The modules below the features, which write SQL for all of them."""


def sql_outside_repositories(source: Source) -> list[str]:
    """A feature's SQL is in its repositories; its `due.py` has the scheduler's queries."""
    if source.package != "app" or source.name in SQL_HOMES or source.name == "app":
        return []
    if source.name.startswith(SQL_FOUNDATION) or is_repository(source.name):
        return []
    if source.name.endswith(".due"):
        return []
    return [
        f"{source.name}:{each.line} imports {each.target}"
        for each in source.imports
        if each.target.startswith("sqlalchemy.") and each.target.rpartition(".")[2] in SQL_BUILDERS
    ]


def is_repository(name: str) -> bool:
    return name.endswith("repository")


def repositories_that_know_services(source: Source) -> list[str]:
    """A repository reads and writes rows; services decide what they mean."""
    if not is_repository(source.name):
        return []
    return [
        f"{source.name}:{each.line} imports {each.target}"
        for each in source.imports
        if each.target.startswith("app.") and each.target.rpartition(".")[2] == "service"
    ]


STATUS_HOMES = {
    "app.messages.lifecycle": "the one place that changes a message's status",
    "app.messages.repository": "writes what lifecycle decides, for one message and for many",
    "app.messages.receipts_repository": "writes what lifecycle decides for a group of receipts",
}
OF_MESSAGES = ("app.messages.", "app.delivery.", "app.inbox.", "app.bots.", "app.webhook.")
SETS_STATUS = re.compile(r"update\s+recado\.messages\b[^;]*?\bset\b[^;]*?\bstatus\s*=", re.DOTALL)


def writes_status(source: Source) -> list[str]:
    """A message's status changes in app/messages/lifecycle.py, which also writes the event."""
    if not source.name.startswith(OF_MESSAGES) or source.name in STATUS_HOMES:
        return []
    return [
        f"{source.name}:{getattr(node, 'lineno', 0)} writes a status"
        for node in ast.walk(source.tree)
        if is_status_written(node)
    ]


def is_status_written(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=[ast.Attribute(attr="status")]):
            return True
        case ast.Call(func=ast.Attribute(attr="values"), keywords=keywords):
            return any(keyword.arg == "status" for keyword in keywords)
        case ast.Constant(value=str(sql)):
            return SETS_STATUS.search(sql.partition(" where ")[0]) is not None
        case _:
            return False


OWNER_HOMES = {
    "app.conversations.ownership": "the one place that changes who answers a conversation",
}


def writes_owner(source: Source) -> list[str]:
    """Who answers a conversation changes in app/conversations/ownership.py, which also writes the
    event."""
    if source.package != "app" or source.name in OWNER_HOMES:
        return []
    return [
        f"{source.name}:{getattr(node, 'lineno', 0)} writes an owner"
        for node in ast.walk(source.tree)
        if is_owner_written(node)
    ]


def is_owner_written(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=[ast.Attribute(attr="owner" | "assigned_to")]):
            return True
        case ast.Assign(targets=[ast.Tuple(elts=targets)]):
            names = {getattr(target, "attr", "") for target in targets}
            return bool(names & {"owner", "assigned_to"})
        case ast.Call(func=ast.Attribute(attr="values"), keywords=keywords):
            return any(keyword.arg in {"owner", "assigned_to"} for keyword in keywords)
        case _:
            return False


def other_dialect(source: Source) -> list[str]:
    """Routes are declared by `@blueprint.get` and its like; pages of a list share one schema."""
    if source.package != "app" or source.name == "app.common.schema":
        return []
    found = [
        f"{source.name}:{call.lineno} says route(methods=…); say get, post, put or delete"
        for call in calls(source)
        if called(call) == "route" and any(each.arg == "methods" for each in call.keywords)
    ]
    found += [
        f"{source.name}:{node.lineno} declares next_cursor; inherit PageSchema"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and getattr(node.targets[0], "id", "") == "next_cursor"
        and called(node.value) == "String"
    ]
    return found


def is_vendor(word: str) -> bool:
    if word in VENDOR_WORDS_OF_OURS:
        return False
    pieces = {piece.lower() for piece in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", word)}
    return "meta" in pieces or any(vendor in word.lower() for vendor in VENDOR_WORDS)


def words_of(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Return the names and pieces of text in one node, with their lines."""
    line = getattr(node, "lineno", 0)
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            yield line, name
        case ast.keyword(arg=str(name)):
            yield node.value.lineno, name
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield line, name
        case ast.ImportFrom(module=str(name)) | ast.alias(name=name):
            yield from ((line, word) for word in name.split("."))
        case ast.Constant(value=str(text)):
            for word in re.findall(r"\w+", text):
                yield line, word
        case _:
            return


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Return the docstrings of a file: of modules, classes, functions and constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def calls(source: Source) -> Iterator[ast.Call]:
    return (node for node in ast.walk(source.tree) if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
