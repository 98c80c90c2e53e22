"""The commands for read models, backups, the log and the database's roles."""
