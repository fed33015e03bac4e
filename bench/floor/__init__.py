"""The floor: the least that could do the same work, with no engine and no framework around it.

- `api`: a FastAPI handler that runs the statements of Holdfast's create path on raw asyncpg;
- `slots`: another that has PostgreSQL work out the free slots by itself;
- `workflows` and `worker`: workflows that record one step, with the settings of Holdfast's worker.

The floor has a database of its own in the same PostgreSQL, so that Holdfast's recovery leaves its bookings alone.
"""
