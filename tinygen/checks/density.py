"""Classical densities and samplers: closed forms."""
