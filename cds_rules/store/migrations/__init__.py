"""The steps from one schema to the next (alembic); `database.Database.migrate` runs them at start-up.

A released step is never changed: a new one is added. Floor: edge (store).
"""
