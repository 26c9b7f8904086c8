"""The venues and their registry: the command line, `connect` and the demo look names up here."""
