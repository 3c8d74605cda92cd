"""MLflow, spoken to over its REST API: models taken from it, packages kept in it, governance written back to it.

MLflow's own client is not used: it brings a data-frame library of another version, looks up the host of its telemetry
by default, and loads models by unpickling them. What is needed of its API is small and stable (docs/dependencies.md).
Nothing that comes from the server is trusted, and no pickle is ever read.
"""
