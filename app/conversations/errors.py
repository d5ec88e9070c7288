from app.errors import NotFound


class ConversationNotFound(NotFound):
    code = "conversation_not_found"
    message = (
        "There is no such conversation; if it was there before, it was merged into another one of "
        "the same person. List yours at GET /api/whatsapp/conversations."
    )
