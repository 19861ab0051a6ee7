"""Models behind APIs, seen as streams of run events."""
