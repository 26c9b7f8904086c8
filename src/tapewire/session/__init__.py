"""One logical line that outlives many connections: open it, subscribe, iterate. It knows no venue and no domain."""
