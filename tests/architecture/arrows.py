"""Which module may import which: endpoints, tasks → service → repository → models."""

from tests.architecture.source import Source

FOUNDATION = frozenset(
    {
        "models",
        "common",
        "db",
        "errors",
        "config",
        "config_parsers",
        "extensions",
        "tasks",
        "cli",
        "blueprints",
    }
) | {"db_deadline", "openapi"}
"""The parts of app/ that are not features."""

UNKNOWN_TO_AI = ("flask", "sqlalchemy", "redis", "celery")
"""The model client is a library: whoever calls it passes what it needs."""

EDGES = frozenset({"endpoints", "tasks"})
"""Where a request or a task enters; only the tables that list them import them."""

MAY_IMPORT: dict[str, frozenset[str]] = {
    "extensions": frozenset(),
    "config": frozenset({"config_parsers"}),
    "config_parsers": frozenset(),
    "errors": frozenset(),
    "db": frozenset({"config", "db_deadline"}),
    "db_deadline": frozenset(),
    "models": frozenset({"models", "common"}),
    "common": frozenset({"common", "models", "db", "errors", "config", "extensions"}),
    "openapi": frozenset({"openapi", "config", "extensions", "common", "blueprints", "errors"}),
}
"""The parts of the foundation, and what else of app/ each may import."""

TASK_DOORS = ("names", "ring", "drain", "due")

OPEN_MODULES = {
    "app.channels.providers.base": "the words in which every provider speaks with us",
    "app.channels.providers.registry": "the table of providers: who reads and writes their words",
    "app.events.catalogue": "the names of events and what they say; pure data",
    "app.conversations.window": "the pure rule of the 24-hour window; it has no queries",
    "app.conversations.merging": "the use case 'two threads become one'; it knows no contact",
    "app.messages.send": "the use case 'queue a message', split off the service of messages",
    "app.messages.receive": "the use case 'a customer wrote', split off likewise",
    "app.messages.reports": "the use case 'the provider reported', split off likewise",
    "app.messages.lifecycle": "the one place that changes a status",
    "app.messages.status": "the pure rule of how a status moves",
    "app.messages.attempt_token": "names an attempt and proves that we made it; pure",
    "app.messages.content": "our own words for what a message holds; pure data",
    "app.health.backlog": "what waits in the whole installation, and its dataclass",
    "app.ai": "the model client: a library of ours, which knows no feature",
    "app.auth.passwords": "hashing; pure",
    "app.auth.guards": "the guards that app/blueprints.py puts before routes",
    "app.auth.tokens": "set up by the application factory",
}
"""Modules that other features may import besides `service` and `errors`, and why."""

OUTSIDERS = {
    "app": ("simulator", "dev", "tests", "migrations"),
    "simulator": ("app", "dev", "tests", "migrations"),
    "dev": ("app", "tests", "migrations"),
    "migrations": ("simulator", "dev", "tests"),
}


def wrong_arrows(source: Source) -> list[str]:
    """Return `file:line: importer imports target: why not` for each wrong import."""
    found = []
    for each in source.imports:
        if in_package(source.name, "app.ai"):
            why = ai_problem(each.target)
        else:
            why = arrow_problem(source.name, each.target)
        if why:
            found.append(f"{source.name}:{each.line} imports {each.target}: {why}")
    return found


def arrow_problem(importer: str, target: str) -> str | None:
    """Return why `importer` must not import `target`; None when it may."""
    package, other = importer.partition(".")[0], target.partition(".")[0]
    if target.startswith("."):
        return "imports are absolute"
    if other in OUTSIDERS.get(package, ()):
        return f"{package}/ knows nothing of {other}/"
    if package != "app" or other != "app":
        return None
    mine, theirs = (f"{importer}..".split(".")[1], f"{target}..".split(".")[1])
    if mine in MAY_IMPORT and theirs not in MAY_IMPORT[mine]:
        return f"app/{mine} may not know app/{theirs}"
    if theirs in FOUNDATION or not theirs:
        return machinery_problem(importer, target)
    if mine in {"", "blueprints"}:
        return None
    if mine == theirs:
        return layer_problem(importer, target)
    if layer_of(target) == "schemas" and layer_of(importer) in {"endpoints", "schemas"}:
        # A message looks the same in every response that contains one.
        return None
    if mine == "cli":
        return command_problem(target)
    return feature_problem(importer, target)


def ai_problem(target: str) -> str | None:
    """The model client knows itself, the egress client, and no tenant."""
    known = in_package(target, "app.ai") or in_package(target, "app.common.egress")
    if target.partition(".")[0] == "app" and not known:
        return "app/ai knows only itself and the egress client"
    if any(in_package(target, library) for library in UNKNOWN_TO_AI):
        return f"app/ai knows nothing of {', '.join(UNKNOWN_TO_AI)}"
    return None


def command_problem(target: str) -> str | None:
    """Commands enter every feature, as endpoints enter their own."""
    if layer_of(target) in {*EDGES, "schemas", "repository"}:
        return "commands reach a feature through its service or a use case"
    return None


def machinery_problem(importer: str, target: str) -> str | None:
    """Features enqueue tasks, and import neither Celery's set-up nor the CLI."""
    if importer == "app" or in_package(importer, "app.tasks") or in_package(importer, "app.cli"):
        return None
    for closed in ("app.cli", "app.blueprints", "app.openapi"):
        if in_package(target, closed) and not in_package(importer, "app.openapi"):
            return f"{closed} is only for the application factory"
    if in_package(target, "app.tasks") and not any(
        in_package(target, f"app.tasks.{door}") for door in TASK_DOORS
    ):
        return f"of app/tasks, features know only {', '.join(TASK_DOORS)}"
    return None


def layer_problem(importer: str, target: str) -> str | None:
    """Within one feature, imports point inwards only."""
    mine, theirs = layer_of(importer), layer_of(target)
    if theirs in EDGES:
        return "nothing imports the edge of a feature"
    if mine in EDGES and theirs == "repository":
        return "endpoints and tasks reach the repository through the service"
    if theirs == "schemas" and mine not in {"endpoints", "schemas"}:
        return "only endpoints know what JSON looks like"
    if mine == "repository" and theirs == "service":
        return "the repository does not know the service"
    return None


def feature_problem(importer: str, target: str) -> str | None:
    """Another feature is reached through its service."""
    inside = f"{target}..".split(".")[2]
    if importer in {"app.tasks.schedule", "app.tasks.clean_up"} and inside == "due":
        return None
    if inside in {"service", "errors"} or any(in_package(target, name) for name in OPEN_MODULES):
        return None
    return "another feature is reached through its `service` only"


def layer_of(name: str) -> str:
    return f"{name}..".split(".")[2]


def in_package(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")
