"""The single-transaction use cases, and the one place that chooses a provider (`placement`).

They stand on `db.repositories`, which reads and writes rows. A use case takes a command and returns an outcome; it
rolls its transaction back itself. Refusals by a business rule are errors of `domain.errors`.
"""
