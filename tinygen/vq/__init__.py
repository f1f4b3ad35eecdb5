"""Vector-quantised autoencoders (van den Oord et al. 2017): a code of integers, and a prior over it."""
