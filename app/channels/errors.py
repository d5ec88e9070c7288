from app.errors import Conflict, NotFound, Unprocessable


class ChannelNotFound(NotFound):
    code = "channel_not_found"
    message = "There is no such channel. List yours at GET /channels."


class ChannelExists(Conflict):
    code = "channel_exists"
    message = "This number is registered already: change that channel instead of adding another."


class ChannelBusy(Conflict):
    code = "channel_busy"
    message = (
        "Messages of this channel have not been sent yet. Wait for them or cancel them, "
        "then delete the channel."
    )


class ChannelHasBot(Conflict):
    code = "channel_has_bot"
    message = (
        "A bot belongs to this channel. Move it with PUT /bots/{id}, or delete it, "
        "then delete the channel."
    )


class NoChannel(Unprocessable):
    code = "no_channel"
    message = "There is no channel to send from yet: add one with POST /channels."


class UnknownSender(Unprocessable):
    code = "unknown_sender"
    message = "from_number is not one of your channels. List them at GET /channels."


class ChannelDisabled(Unprocessable):
    code = "channel_disabled"
    message = "This channel is disabled. Set its status to 'active' with PUT /channels/{id}."


class ProviderNotOffered(Unprocessable):
    code = "provider_not_offered"
    message = "Recado cannot connect channels of this provider yet."


class ChannelGone(Exception):
    """The channel cannot be used now: it is deleted, disabled, or belongs to a closed tenant."""
