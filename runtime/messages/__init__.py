"""Messages to people: templates and their rendering."""
