"""The baseline: the minimum that does the same work, without Holdfast's code.

- `api`: a FastAPI handler that runs the SQL of Holdfast's create path directly on asyncpg;
- `slots`: a handler that lets PostgreSQL calculate the free slots;
- `workflows` and `worker`: workflows that record one step, with the settings of Holdfast's worker.

The baseline has its own database in the same PostgreSQL, so that Holdfast's recovery does not start its bookings.
"""
