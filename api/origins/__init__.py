"""The web sites whose pages may speak to the API about a business (CORS)."""
