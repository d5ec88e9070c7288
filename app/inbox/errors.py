from app.errors import Conflict, NotFound


class InboxItemNotFound(NotFound):
    code = "inbox_item_not_found"
    message = "There is no such inbox item. List yours at GET /api/inbox/items."


class CannotReplay(Conflict):
    code = "cannot_replay"
    message = "Only a parked or ignored item can be replayed, because applied items are finished."
