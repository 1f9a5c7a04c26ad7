"""Fixtures: filled in by its domain."""
