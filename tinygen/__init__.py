"""tinygen: generative models from scratch, every one held to its closed forms."""
