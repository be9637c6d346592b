"""Files in, evaluations out: bundles, folders, NDJSON exports and CDS Hooks requests replayed as of an instant.

`sources` finds and reads, `asof` sets the record back, `instants` chooses when, `run` evaluates, `summary`, `report` and
`expectations` say what came out. The same `evaluate` answers here as in the service. Floor: edge.
"""
