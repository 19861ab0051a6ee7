"""The only folder that speaks to Slack."""
