"""Small media that a phone sends by default, also served under /samples/."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True)
class Sample:
    name: str
    content_type: str
    data: bytes


def _png(width: int, height: int) -> bytes:
    """Return a soft gradient, so that a bubble shows something."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    rows = b"".join(
        b"\0" + b"".join(bytes((90 + x // 3, 150 + y // 3, 160)) for x in range(width))
        for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def _ogg_checksum(page: bytes) -> int:
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = ((value << 1) ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


def _ogg_page(flags: int, position: int, number: int, packets: list[bytes]) -> bytes:
    head = struct.pack("<4sBBQII", b"OggS", 0, flags, position, 1, number)
    table = bytes([len(packets), *(len(packet) for packet in packets)])
    body = table + b"".join(packets)
    checksum = _ogg_checksum(head + b"\0\0\0\0" + body)
    return head + struct.pack("<I", checksum) + body


def _voice() -> bytes:
    """Return one second of silence in Ogg Opus, the type of WhatsApp's voice notes."""
    head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 0, 48000, 0, 0)
    tags = struct.pack("<8sI9sI", b"OpusTags", 9, b"simulator", 0)
    silence = [b"\xf8\xff\xfe"] * 50
    return _ogg_page(2, 0, 0, [head]) + _ogg_page(0, 0, 1, [tags]) + _ogg_page(4, 48000, 2, silence)


def _pdf() -> bytes:
    """Return one empty page."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>",
    )
    text, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(text))
        text += b"%d 0 obj%sendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(text)
    text += b"xref\n0 4\n0000000000 65535 f \n" + table
    return text + b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start


_FOLDER: Final = Path(__file__).parent / "media"


def vcard(details: dict[str, Any]) -> bytes:
    """Return a contact card with `name` and `phone`."""
    name = str(details.get("name") or "Contact").replace("\n", " ")
    phone = str(details.get("phone") or "+14155550123").replace("\n", " ")
    lines = ("BEGIN:VCARD", "VERSION:3.0", f"N:;{name};;;", f"FN:{name}", f"TEL;TYPE=CELL:{phone}")
    return "\r\n".join((*lines, "END:VCARD", "")).encode()


SAMPLES: Final[dict[str, Sample]] = {
    "image": Sample("photo.png", "image/png", _png(240, 160)),
    "audio": Sample("voice.ogg", "audio/ogg", _voice()),
    "video": Sample("clip.mp4", "video/mp4", (_FOLDER / "clip.mp4").read_bytes()),
    "document": Sample("page.pdf", "application/pdf", _pdf()),
    "sticker": Sample("sticker.webp", "image/webp", (_FOLDER / "sticker.webp").read_bytes()),
    "contacts": Sample("contact.vcf", "text/vcard", vcard({})),
}
