"""Where packages are kept: an OCI layout directory or an OCI registry."""
