"""The notary: reads the log, seals each partition in a Merkle tree, signs, publishes, archives."""
