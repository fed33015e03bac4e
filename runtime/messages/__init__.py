"""The words of messages: our own in each language, and how gaps in them are filled."""
