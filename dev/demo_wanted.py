"""Whether there is a place for the demo business."""

import asyncpg

from dev.demo_users import BUSINESS


async def demo_is_wanted(database_url: str) -> bool:
    """Return whether nothing is there but, at most, a demo business whose setting up was interrupted."""
    # Never beside real businesses: everybody knows the demo users' password.
    connection = await asyncpg.connect(database_url.replace("+asyncpg", "", 1))
    try:
        found = await connection.fetch("SELECT slug, status FROM businesses LIMIT 2")
    finally:
        await connection.close()
    return all(tuple(row) == (BUSINESS, "setup") for row in found)
