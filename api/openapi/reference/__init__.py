"""The API's documentation as a page that works offline: everything on it comes from this service."""
