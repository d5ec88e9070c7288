"""An OpenAPI document as functions and actions of a bot. Pure: nothing is fetched or stored."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any

from app.ai.types import Tool
from app.bots import checks
from app.bots.actions import HAND_OVER
from app.bots.definition import Action, Effect, Json
from app.bots.openapi_names import LONGEST_NAME, fitted, is_person, is_phone, unique
from app.bots.openapi_schemas import (
    Budget,
    Reader,
    Unsupported,
    as_list,
    as_object,
    as_text,
    is_scalar,
    names_within,
    types_of,
)

MOST_OPERATIONS = 500
LONGEST_ID = 200
LONGEST_PATH = 1_000
LONGEST_SUMMARY = 200
VERSION = re.compile(r"3\.[01](\.[0-9]+)?(-.*)?")
METHODS = ("get", "post", "put", "patch", "delete")
OTHER_METHODS = ("head", "options", "trace")
PHONE = "{contact.phone}"
CONFIRM = "x-recado-confirm"

SENT_BY_US = frozenset({"accept", "authorization", "content-type", "idempotency-key"})
BEARER = ("oauth2", "openIdConnect")
MOST_SCHEMES = 20


class NotOpenApi(ValueError):
    """The text tells the person who gave the document why."""


@dataclass(frozen=True)
class Imported:
    """`warnings` are what the owner of the bot should know of it."""

    tool: Tool
    action: Action
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """`operation_id` is the document's, or the name of the function if it has none. `reason` says
    why it cannot be imported; None if it can."""

    operation_id: str
    name: str
    method: str
    path: str
    summary: str
    reason: str | None = None
    imported: Imported | None = None

    @property
    def can_import(self) -> bool:
        return self.imported is not None


@dataclass(frozen=True)
class Catalogue:
    """What a document offers. `server` is its first server as it stands there, which may be
    relative."""

    operations: tuple[Operation, ...]
    has_more: bool
    server: str | None


@dataclass
class _Request:
    """The request of an operation, as it is put together."""

    function: str
    properties: Json = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    path: dict[str, str] = field(default_factory=dict)
    query: Json = field(default_factory=dict)
    body: Json | None = None
    warnings: list[str] = field(default_factory=list)

    def add(self, name: str, place: str, schema: Json, *, is_required: bool) -> str:
        """Return the placeholder for a value, which becomes a parameter of the function, unless it
        is the customer's own phone number. Raises Unsupported."""
        if set(name) & checks.BRACES:
            raise Unsupported(f"A name may hold no braces: {name[:LONGEST_NAME]}.")
        if any(is_phone(inner) for inner in names_within(schema)):
            raise Unsupported(f"{name} holds a phone number inside, which could be anybody's.")
        if is_phone(name):
            return self._phone(name, schema)
        if is_person(name):
            self.warnings.append(
                f"{self.function}: the model chooses {name}. Let your server tell nothing and "
                "change nothing by it alone."
            )
        key = fitted(name) or "value"
        if key in self.properties:
            key = unique(f"{place}_{key}", self.properties)
        self.properties[key] = schema
        if is_required:
            self.required.append(key)
        return f"{{{key}}}"

    def _phone(self, name: str, schema: Json) -> str:
        types = types_of(schema)
        if types and "string" not in types:
            raise Unsupported(f"{name} is the customer's phone number, but is no text.")
        self.warnings.append(
            f"{self.function}: {name} is always the customer's own phone number, such as "
            "+15551234567. The model cannot choose it."
        )
        return PHONE


def read(document: Json, chosen: Container[str] | None = None) -> Catalogue:
    """Return the operations of a document, the first 500 of them; of those, only the ones whose
    operation_id is chosen, unless that is None. Raises NotOpenApi."""
    if not VERSION.fullmatch(as_text(document.get("openapi"))):
        found = "this is Swagger 2.0" if "swagger" in document else "`openapi` does not say so"
        raise NotOpenApi(f"Must be a document of OpenAPI 3.0 or 3.1; {found}.")
    if not isinstance(document.get("paths", {}), dict):
        raise NotOpenApi("`paths` must be an object.")
    budget, read_ones, has_more = Budget(), [], False
    for number, (shown, path, item) in enumerate(_operations(document)):
        if number >= MOST_OPERATIONS:
            has_more = True
            break
        if chosen is None or shown.operation_id in chosen:
            read_ones.append(_read(Reader(document, budget), shown, path, item))
    return Catalogue(tuple(read_ones), has_more, _server(document))


def _operations(document: Json) -> Iterator[tuple[Operation, str, Json]]:
    """Yield each operation with its path and with what stands there."""
    names: set[str] = set()
    ids: set[str] = set()
    for path, given in as_object(document.get("paths")).items():
        try:
            item, _ = Reader(document, Budget()).follow(given)
        except Unsupported:
            continue
        for method in (*METHODS, *OTHER_METHODS):
            if isinstance(item.get(method), dict):
                yield _shown(path, method, item[method], (ids, names)), path, item


def _shown(path: str, method: str, given: Json, used: tuple[set[str], set[str]]) -> Operation:
    ids, names = used
    own = as_text(given.get("operationId"))
    own = own if 0 < len(own) <= LONGEST_ID else ""
    name = unique(fitted(own) or fitted(f"{method}/{path}"), names)
    names.add(name)
    made = Operation(
        operation_id=own or name,
        name=name,
        method=method.upper(),
        path=path[:LONGEST_PATH],
        summary=as_text(given.get("summary"))[:LONGEST_SUMMARY],
        reason="Another operation has the same operationId." if (own or name) in ids else None,
    )
    ids.add(made.operation_id)
    return made


def _read(reader: Reader, shown: Operation, path: str, item: Json) -> Operation:
    if shown.reason is not None:
        return shown
    try:
        return replace(shown, imported=_imported(reader, shown, path, item))
    except Unsupported as error:
        return replace(shown, reason=str(error))


def _imported(reader: Reader, shown: Operation, path: str, item: Json) -> Imported:
    """Raises Unsupported."""
    operation = item[shown.method.lower()]
    if shown.method.lower() not in METHODS:
        raise Unsupported(f"{shown.method} cannot be called.")
    if shown.name == HAND_OVER:
        raise Unsupported("Every bot has a function of this name, which hands over to a person.")
    request = _Request(shown.name)
    schemes = _schemes(reader.document)
    sent = SENT_BY_US | {
        as_text(each.get("name")).lower() for each in schemes.values() if each.get("in") == "header"
    }
    for parameter in _parameters(reader, item, operation):
        _add_parameter(reader, request, parameter, sent)
    _add_body(reader, request, operation, is_get=shown.method == "GET")
    _warn_of_security(request, schemes, operation.get("security", reader.document.get("security")))
    tool = Tool(shown.name, _description(operation), _schema(request))
    action = Action(
        name=shown.name,
        method=shown.method,
        path=_path(request, path),
        query=request.query,
        body=request.body,
        effect=_effect(shown.method, operation),
    )
    if problem := checks.object_problem(tool.parameters):
        raise Unsupported(f"Its parameters are too large: {problem}")
    if request.body is not None and (problem := checks.object_problem(request.body)):
        raise Unsupported(f"Its body is too large: {problem}")
    return Imported(tool, action, tuple(request.warnings))


def _schema(request: _Request) -> Json:
    made: Json = {"type": "object", "properties": request.properties, "additionalProperties": False}
    return {**made, "required": request.required} if request.required else made


def _description(operation: Json) -> str:
    parts = (as_text(operation.get(name)).strip() for name in ("summary", "description"))
    return "\n\n".join(filter(None, parts))[: checks.LONGEST_DESCRIPTION]


def _effect(method: str, operation: Json) -> Effect:
    if method == "DELETE" or operation.get(CONFIRM):
        return Effect.CONFIRM
    return Effect.READ if method == "GET" else Effect.WRITE


def _path(request: _Request, path: str) -> str:
    """Return the path with our placeholders. Raises Unsupported."""
    names = checks.PLACEHOLDER.findall(path)
    missing = next((name for name in names if name not in request.path), None)
    if missing is not None:
        raise Unsupported(f"No parameter describes {{{missing[:LONGEST_NAME]}}} of the path.")
    made: str = checks.PLACEHOLDER.sub(lambda found: request.path[found[1]], path)
    if len(made) > LONGEST_PATH:
        raise Unsupported(f"Its path has more than {LONGEST_PATH} characters.")
    if problem := checks.path_problem(made):
        raise Unsupported(f"Its path cannot be used: {problem}")
    return made


def _parameters(reader: Reader, item: Json, operation: Json) -> list[Json]:
    """Return the parameters of the path and of the operation, which replaces the former."""
    found: dict[tuple[str, str], Json] = {}
    both = [as_list(each.get("parameters")) for each in (item, operation)]
    reader.count(sum(map(len, both)))
    for given in chain(*both):
        parameter, _ = reader.follow(given)
        name, place = as_text(parameter.get("name")), as_text(parameter.get("in"))
        if not name or not place:
            raise Unsupported("A parameter has no `name` or no `in`.")
        found[place, name] = parameter
    return list(found.values())


def _add_parameter(
    reader: Reader, request: _Request, parameter: Json, sent: frozenset[str]
) -> None:
    """Raises Unsupported."""
    name, place = parameter["name"], parameter["in"]
    is_required = parameter.get("required") is True
    if place == "header":
        if is_required and name.lower() not in sent:
            raise Unsupported(f"It needs the header {name[:LONGEST_NAME]}.")
        return
    if place not in {"path", "query"}:
        raise Unsupported(f"A parameter in `{place[:LONGEST_NAME]}` cannot be sent.")
    schema = reader.schema(parameter.get("schema"))
    is_simple = is_scalar(schema) and "content" not in parameter
    if place == "path" and as_text(parameter.get("style", "simple")) != "simple":
        is_simple = False
    if not is_simple:
        if is_required or place == "path":
            raise Unsupported(f"{name[:LONGEST_NAME]} is a list or an object in the {place}.")
        request.warnings.append(f"{request.function}: {name[:LONGEST_NAME]} is left out.")
        return
    described = as_text(parameter.get("description"))[: checks.LONGEST_DESCRIPTION // 4]
    schema = {**schema, "description": described} if described else schema
    if not types_of(schema) and not schema.keys() & {"enum", "const"}:
        schema = {**schema, "type": "string"}
    filled = request.add(name, place, schema, is_required=is_required or place == "path")
    (request.path if place == "path" else request.query)[name] = filled


def _add_body(reader: Reader, request: _Request, operation: Json, *, is_get: bool) -> None:
    """Raises Unsupported."""
    if "requestBody" not in operation:
        return
    given, _ = reader.follow(operation["requestBody"])
    if is_get:
        if given.get("required") is True:
            raise Unsupported("A GET with a body cannot be called.")
        return
    content = as_object(given.get("content"))
    reader.count(len(content))
    kinds = {kind.partition(";")[0].strip().lower(): each for kind, each in content.items()}
    if "application/json" not in kinds:
        named = ", ".join(sorted(kinds))[:LONGEST_SUMMARY] or "nothing that is named"
        raise Unsupported(f"Its body is {named}; only application/json can be sent.")
    properties, required = _body_properties(reader, as_object(kinds["application/json"]))
    request.body = {
        name: request.add(name, "body", schema, is_required=name in required)
        for name, schema in properties.items()
    }


def _body_properties(reader: Reader, media: Json) -> tuple[Json, set[str]]:
    """Return the properties of a body, and the names of those that it must have."""
    found: Json = {}
    required: set[str] = set()
    waiting: list[tuple[Any, tuple[str, ...]]] = [(media.get("schema"), ())]
    while waiting:
        reader.count()
        node, trail = reader.follow(*waiting.pop(0))
        for keyword in ("oneOf", "anyOf", "not", "if"):
            if keyword in node:
                raise Unsupported(f"Its body may have several forms (`{keyword}`).")
        own = node.get("type", "object")
        if own != "object" and "object" not in as_list(own):
            raise Unsupported("Its body is no JSON object.")
        properties, names = reader.properties(node, trail, 0)
        found.update(properties)
        required.update(names)
        parts = as_list(node.get("allOf"))
        reader.count(len(parts))
        waiting += [(part, trail) for part in parts]
    if not found:
        raise Unsupported("Its body names no properties.")
    return found, required


def _schemes(document: Json) -> dict[str, Json]:
    given = as_object(as_object(document.get("components")).get("securitySchemes"))
    return {name: as_object(each) for name, each in islice(given.items(), MOST_SCHEMES)}


def _warn_of_security(request: _Request, schemes: dict[str, Json], given: Any) -> None:
    """Warn if the server takes none of the keys that an action can send."""
    choices = [list(as_object(each))[:MOST_SCHEMES] for each in as_list(given)[:MOST_SCHEMES]]
    if choices and not any(
        all(_takes_bearer(schemes.get(name, {})) for name in each) for each in choices
    ):
        names = ", ".join(sorted({name for each in choices for name in each}))[:LONGEST_SUMMARY]
        request.warnings.append(
            f"{request.function}: the document asks for {names}, but an action sends its key as "
            "a Bearer token."
        )


def _takes_bearer(scheme: Json) -> bool:
    is_bearer = scheme.get("type") == "http" and as_text(scheme.get("scheme")).lower() == "bearer"
    return is_bearer or scheme.get("type") in BEARER


def _server(document: Json) -> str | None:
    """Return the address of the first server, with the defaults of its variables."""
    servers = as_list(document.get("servers"))
    server = as_object(servers[0]) if servers else {}
    url = as_text(server.get("url"))
    for name, given in list(as_object(server.get("variables")).items())[:20]:
        url = url.replace(f"{{{name}}}", as_text(as_object(given).get("default")))[:LONGEST_PATH]
    return url[:LONGEST_PATH] or None
