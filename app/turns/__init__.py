"""From a claimed turn to a finished reply."""
