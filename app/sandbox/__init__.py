"""Slack and OpenAI on your machine, for trying and for testing."""
