"""E-mails and texts about bookings: whether they may be sent is decided at the moment of sending."""
