"""Small PDFs, sound and not, made by hand."""

import zlib
from io import BytesIO

from pypdf import PdfReader, PdfWriter

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def assemble(objects: dict[int, bytes]) -> bytes:
    """Return a PDF of these objects; the first one is its catalogue."""
    out = BytesIO()
    out.write(b"%PDF-1.7\n")
    places = {}
    for number, body in objects.items():
        places[number] = out.tell()
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (max(objects) + 1))
    for number in range(1, max(objects) + 1):
        out.write(b"%010d 00000 n \n" % places[number])
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (max(objects) + 1))
    out.write(b"startxref\n%d\n%%%%EOF\n" % start)
    return out.getvalue()


def stream(data: bytes, extra: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), extra, data)


def written(lines: str) -> bytes:
    """Return what draws these lines."""
    drawn = [b"BT /F1 12 Tf 50 750 Td 14 TL"]
    for line in lines.split("\n"):
        safe = line.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(")
        drawn.append(b"(%s) Tj T*" % safe.replace(b")", b"\\)"))
    return b"\n".join([*drawn, b"ET"])


def pdf(*pages: str) -> bytes:
    """Return a PDF with these pages of text."""
    return drawn(*(stream(written(page)) for page in pages))


def drawn(*contents: bytes, resources: bytes = b"", more: dict[int, bytes] | None = None) -> bytes:
    """Return a PDF whose pages have these contents. `more` are objects from 5000 on."""
    kids = b" ".join(b"%d 0 R" % (10 + 2 * index) for index in range(len(contents)))
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(contents)),
        3: FONT,
    }
    for index, content in enumerate(contents):
        number = 10 + 2 * index
        objects[number] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> %s >> >>" % (number + 1, resources)
        )
        objects[number + 1] = content
    objects.update(more or {})
    for number in range(1, max(objects)):
        objects.setdefault(number, b"null")
    return assemble(dict(sorted(objects.items())))


def encrypted(password: str, *pages: str) -> bytes:
    """Return a PDF that opens with this password; with an empty one for everybody."""
    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf(*pages))))
    writer.encrypt(password, owner_password="owner", algorithm="AES-256")
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def scan(pages: int = 2) -> bytes:
    """Return a PDF whose pages are pictures."""
    picture = stream(
        b"\x80" * 64,
        b"/Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceGray"
        b" /BitsPerComponent 8",
    )
    content = stream(b"q 612 0 0 792 0 0 cm /Im1 Do Q")
    return drawn(
        *(content for _ in range(pages)),
        resources=b"/XObject << /Im1 5000 0 R >>",
        more={5000: picture},
    )


def flate_bomb(megabytes: int = 400) -> bytes:
    """Return a PDF of some hundred kB, a page of which unpacks to this size."""
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(b"(a) Tj\n" * 150_000) for _ in range(megabytes))
    return drawn(stream(data + packer.flush(), b"/Filter /FlateDecode"))


def nested_bomb(depth: int = 12) -> bytes:
    """Return a PDF whose page draws a form ten times, which draws another ten times, and so on."""
    forms = {}
    for level in range(depth):
        number = 5000 + level
        resources = b"/Resources << /Font << /F1 3 0 R >> /XObject << /X %d 0 R >> >>" % (
            number + 1
        )
        body = b"/X Do\n" * 10 if level < depth - 1 else written("boom")
        forms[number] = stream(
            body, b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] " + resources
        )
    forms[5000 + depth] = b"null"
    return drawn(stream(b"/X Do\n" * 10), resources=b"/XObject << /X 5000 0 R >>", more=forms)


def endless_pages() -> bytes:
    """Return a PDF whose tree of pages contains itself."""
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 1000000 >>",
        3: b"<< /Type /Pages /Kids [2 0 R] /Count 1000000 /Parent 2 0 R >>",
    }
    return assemble(objects)
