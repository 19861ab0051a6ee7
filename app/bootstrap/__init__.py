"""Composition root: the only place that picks concrete classes."""

from app.bootstrap.bot import RunningBot, running_bot

__all__ = ["RunningBot", "running_bot"]
