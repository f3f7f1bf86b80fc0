"""One use case a file. They return results and never print."""
