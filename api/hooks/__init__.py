"""What vendors call us with, when something has happened on their side."""
