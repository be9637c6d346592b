"""What `cds-rules` does beside serving and replaying: lint, test, new, schema. Each returns an exit code and prints.

Floor: edge.
"""
