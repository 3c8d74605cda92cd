"""What every bench shares: pinned processes, wrk, processor accounts, the machine's facts and the report."""
