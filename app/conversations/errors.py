from app.errors import NotFound


class ConversationNotFound(NotFound):
    code = "conversation_not_found"
    message = "There is no such conversation. List yours at GET /api/whatsapp/conversations."
