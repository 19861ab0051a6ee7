"""What Bolt calls when something arrives: clean it, store it, acknowledge it."""
