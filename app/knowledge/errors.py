from app.errors import Conflict, NotFound

MOST_PAGES = 500
MOST_CHARACTERS = 1_000_000
"""Of one document."""

MOST_OF_A_BOT = 2_000_000
MOST_CHUNKS = 5_000
"""Of all documents of a bot; a search reads them all."""

PDF_SECONDS = 40
"""Of processor time, for the text of one PDF."""


class DocumentNotFound(NotFound):
    code = "document_not_found"
    message = "There is no such document. List those of a bot at GET /bots/{id}/knowledge."


class DocumentExists(Conflict):
    code = "document_exists"
    message = "This bot has the same document already; see details.document_id."


class Unreadable(Exception):
    """A document cannot be read. `code` is one of REASONS."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


REASONS = {
    "encrypted": "The PDF has a password. Save it without one, and upload it again.",
    "no_text": "There is no text in this document. If its pages are pictures (a scan), run text "
    "recognition (OCR) over it, or paste the text.",
    "damaged": "The PDF is damaged. Export it again, and upload the new file.",
    "too_many_pages": f"The PDF has more than {MOST_PAGES} pages. Upload it in parts.",
    "too_long": f"The document has more than {MOST_CHARACTERS:,} characters. Upload it in parts.",
    "too_slow": f"Reading this PDF takes longer than {PDF_SECONDS} seconds. Upload it in parts, or "
    "paste its text.",
    "too_large": "Reading this PDF takes too much memory. Upload it in parts, or paste its text.",
    "limit_reached": f"The documents of a bot have at most {MOST_OF_A_BOT:,} characters and "
    f"{MOST_CHUNKS:,} chunks. Delete one that is not needed, and upload this one again.",
    "interrupted": "Reading was interrupted three times. Upload the document again.",
}
"""Why a document is `failed` → what to tell its owner."""
