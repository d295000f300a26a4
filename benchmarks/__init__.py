"""Measures a running stack from outside, over HTTP only: nothing of the project is imported here."""
