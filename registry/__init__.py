"""What a model is, where it is kept, and what may serve it."""
