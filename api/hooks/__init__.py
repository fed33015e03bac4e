"""Webhooks that vendors send us."""
