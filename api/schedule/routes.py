"""When a business and its providers work: hours, exceptions and time off."""

from fastapi import APIRouter

from api.schedule import exceptions, hours, time_off

router = APIRouter()
for part in (hours, exceptions, time_off):
    router.include_router(part.router)
