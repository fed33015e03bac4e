"""Whether the demo data must be loaded; in its own module because this is fast to import."""

import asyncpg

from dev.demo_business import BUSINESS


async def needs_demo_data(database_url: str) -> bool:
    """Whether there is no business, except a demo business whose load was interrupted."""
    # Never beside real businesses: the demo users' password is public.
    connection = await asyncpg.connect(database_url.replace("+asyncpg", "", 1))
    try:
        found = await connection.fetch("SELECT slug, status FROM businesses LIMIT 2")
    finally:
        await connection.close()
    return all(tuple(row) == (BUSINESS, "setup") for row in found)
