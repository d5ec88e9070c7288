"""Transcriptions of voice notes. The vendor judges a file by its name."""

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Any, Final

from aiohttp import web

from simulator.openai import checks
from simulator.openai.checks import Check
from simulator.openai.errors import bad_request, missing
from simulator.openai.script import Rule
from simulator.openai.serving import Exchange, serve
from simulator.openai.tokens import count

_FORMATS: Final = ("flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm")
#: "oga" stands in the vendor's list of formats, but is refused.
_ACCEPTED: Final = frozenset(_FORMATS) - {"oga"}
_MOST_BYTES: Final = 25 * 1024 * 1024
_FIELDS: Final[dict[str, Check]] = {
    "model": checks.text(),
    "file": checks.anything,
    "language": checks.text(),
    "languages[]": checks.anything,
    "keywords[]": checks.anything,
    "prompt": checks.text(),
    "response_format": checks.one_of("json"),
    "temperature": checks.anything,
    "include[]": checks.anything,
    "chunking_strategy": checks.anything,
}


async def create(request: web.Request) -> web.StreamResponse:
    return await serve(request, "transcriptions", prepare, _read_form)


async def _read_form(request: web.Request) -> dict[str, Any]:
    """Return the fields; `file` becomes its name, type and size."""
    head = Message()
    head["Content-Type"] = request.headers.get("Content-Type", "")
    boundary = head.get_boundary()
    if boundary is None:
        raise bad_request("The request must be multipart/form-data.", None, None)
    body: dict[str, Any] = {}
    for part, data in _parts(await request.read(), boundary.encode()):
        name = str(part.get_param("name", "", "Content-Disposition"))
        filename = part.get_filename()
        if filename is not None:
            kind = part.get_content_type()
            body[name] = {"name": filename, "type": kind, "bytes": len(data)}
        elif name.endswith("[]"):
            body.setdefault(name, []).append(data.decode(errors="replace"))
        else:
            body[name] = data.decode(errors="replace")
    return body


def _parts(raw: bytes, boundary: bytes) -> Iterator[tuple[Message, bytes]]:
    """Return the headers and the data of each part. aiohttp's own reader warns of itself."""
    for part in (b"\r\n" + raw).split(b"\r\n--" + boundary)[1:-1]:
        headers, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        yield BytesHeaderParser().parsebytes(headers), data


def prepare(exchange: Exchange) -> "TranscriptionQuestion":
    body = exchange.body
    checks.check_fields(body, _FIELDS)
    exchange.model("transcription")
    file = body.get("file")
    if not isinstance(file, dict):
        raise missing("file")
    ending = file["name"].rpartition(".")[2].lower()
    if ending not in _ACCEPTED:
        message = f"Unsupported file format {ending}. Supported formats: {list(_FORMATS)}"
        raise bad_request(message, "unsupported_value", "file")
    if file["bytes"] == 0:
        raise bad_request("Audio file is too short.", "audio_too_short", "file")
    if file["bytes"] > _MOST_BYTES:
        message = f"Maximum content size limit ({_MOST_BYTES}) exceeded."
        raise bad_request(message, None, "file")
    return TranscriptionQuestion(body)


@dataclass(frozen=True)
class TranscriptionQuestion:
    body: dict[str, Any]

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.body["file"]["name"], str(self.body.get("prompt") or ""))

    @property
    def input_tokens(self) -> int:
        return self.seconds * 10

    @property
    def seconds(self) -> int:
        """Return a length by the size: WhatsApp's voice notes have about 2,000 bytes a second."""
        return max(1, int(self.body["file"]["bytes"]) // 2_000)

    def answer(self, rule: Rule | None) -> dict[str, Any]:
        text = self._default() if rule is None or rule.text is None else rule.text
        usage = {
            "type": "tokens",
            "input_tokens": self.input_tokens,
            "input_token_details": {"text_tokens": 0, "audio_tokens": self.input_tokens},
            "output_tokens": count(text),
            "total_tokens": self.input_tokens + count(text),
        }
        return {"text": text, "usage": usage if rule is None or rule.usage else None}

    def _default(self) -> str:
        file = self.body["file"]
        if self.body.get("language") == "es":
            return f"Transcripción simulada de {file['name']}, {file['bytes']} bytes."
        return f"Simulated transcript of {file['name']}, {file['bytes']} bytes."
