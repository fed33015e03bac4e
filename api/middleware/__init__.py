"""What happens around every request, one concern a module; `api.app` sets their order."""

from api.middleware.bodies import allow_body
from api.middleware.costs import charge
from api.middleware.deadlines import allow_time

__all__ = ["allow_body", "allow_time", "charge"]
