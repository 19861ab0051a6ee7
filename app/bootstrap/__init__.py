"""Composition root: the only place that picks concrete classes."""

from app.bootstrap.bot import RunningBot, running_bot
from app.bootstrap.sandbox import RunningSandbox, running_sandbox

__all__ = ["RunningBot", "RunningSandbox", "running_bot", "running_sandbox"]
