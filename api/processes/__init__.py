"""The processes of Reprise: `reprise run`, `serve`, `project` and `migrate`."""
