"""The event loop that everything runs on."""

import asyncio
from collections.abc import Callable

new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
try:
    import uvloop
except ImportError:
    # It is not made for every platform.
    pass
else:
    new_event_loop = uvloop.new_event_loop
