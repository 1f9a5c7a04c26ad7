"""The same verdicts, told to one audience: one module a format."""
