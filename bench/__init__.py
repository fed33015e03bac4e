"""Measurements of Holdfast beside a bare floor, both in the same run on the same servers."""
