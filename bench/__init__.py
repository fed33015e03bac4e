"""Benchmarks: Holdfast compared with a minimal baseline, in the same run and on the same servers."""
