"""What is kept: decisions in a ledger that shows tampering, feedback, overrides by patient, tokens seen.

SQLAlchemy over SQLite (default) or PostgreSQL; blocking, so callers on an event loop use a thread.
Flows in: evaluations, feedback. Flows out: records, reports, overrides. Floor: edge. The only door to sqlalchemy and alembic.
"""
