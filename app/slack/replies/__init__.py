"""The reply in Slack: parts, edits, and when each may be sent."""
