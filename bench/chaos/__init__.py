"""A storm: people write while processes die and networks fail, and nothing is lost."""
