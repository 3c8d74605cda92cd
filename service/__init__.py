"""The gateway: predictions that leave only after their record is durable."""
