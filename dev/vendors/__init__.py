"""Simulators of the systems that Holdfast talks to, which misbehave on request."""
