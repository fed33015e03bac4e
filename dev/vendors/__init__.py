"""Simulated vendors: the external systems that Holdfast calls, with faults on request."""
