"""The methods of Slack's Web API, one file per family."""
