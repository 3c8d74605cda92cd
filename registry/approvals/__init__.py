"""Who may say what: the signed root, and the statements that its people sign."""
