"""Your own tools: each file beside this one is read at the start."""
