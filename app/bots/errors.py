from app.errors import NotFound


class KeywordReplyNotFound(NotFound):
    code = "keyword_reply_not_found"
    message = "There is no such keyword reply. List yours at GET /api/keyword-replies."
