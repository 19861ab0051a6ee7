"""The Assistants API, version 2: threads, messages, runs and their steps."""
