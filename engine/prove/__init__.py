"""Asking whether a gradient, or the rule behind it, is right."""
