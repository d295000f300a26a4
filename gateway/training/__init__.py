"""Trains the verifier: rows, edits, trees, limits. For commands only; the request path imports none of it."""
