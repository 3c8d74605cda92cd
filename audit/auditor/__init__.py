"""The auditor: what is sealed and archived, searched, shown, proved. Nothing here needs a running gateway, or a log."""
