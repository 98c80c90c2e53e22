"""The way to PostgreSQL: which database, as whom, with which roles, schema and rights."""
