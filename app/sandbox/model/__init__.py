"""The offline model: OpenAI's Responses API on your machine, with a mind of its own."""
