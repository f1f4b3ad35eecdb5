"""VQ-VAE: images as grids of codes from a learned codebook, and a law over those grids.

quantiser.py   the codebook: nearest code, straight-through gradients, losses, EMA, k-means start, revival, usage
networks.py    images to grids of vectors and back
vqvae.py       the two models, autoencoder and prior, as one on the command line
learner.py     which of the two is trained when
"""
