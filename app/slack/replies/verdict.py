"""What kept a reply from its reader, in one word."""

from app.errors import AccessLost, DatabaseUnavailable, SlackError, UnsafePayload


def blocked_by(error: BaseException | None) -> str | None:
    """Slack's word for why it takes a reply no more; None when nothing went wrong.

    Raises AccessLost as it is, and whatever is nobody's refusal.
    """
    match error:
        case None:
            return None
        case AccessLost():
            raise error
        case SlackError(code=code):
            return code
        case DatabaseUnavailable():
            return "database_unavailable"
        case UnsafePayload():
            return "unsafe_payload"
        case _:
            raise error
