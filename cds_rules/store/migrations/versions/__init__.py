"""One module a step, each with `revision` and `down_revision`. Floor: edge (store)."""
