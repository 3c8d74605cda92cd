"""Alerts: rules made from the policy, for Prometheus and Alertmanager, and evaluated here where there is neither."""
