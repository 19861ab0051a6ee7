"""What people are told of a thread's memory, beside the answer."""

from app.domain import Notice

LOST = Notice(
    "thread.replaced",
    "The model's server has lost its record of this thread. I go on in a new one with "
    "what I know of it; details may be missing.",
)
LONG = Notice(
    "thread.trimmed",
    "This thread has grown long: from here on I leave out its oldest messages.",
)
