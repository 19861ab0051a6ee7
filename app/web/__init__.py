"""The line protocol of streaming assistants over HTTP: another way to be answered."""
