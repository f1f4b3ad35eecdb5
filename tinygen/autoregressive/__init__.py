"""Autoregressive models: p(x) = prod_i p(x_i | x_<i), pixel after pixel, row after row; likelihoods are exact.

masked.py     convolution with a mask over its filters, the plain PixelCNN's
gated.py      the gated PixelCNN: a law of grids of categories, given a class or not
ancestral.py  drawing from it, one position after another, nothing computed twice
pixelcnn.py   the model of images on the command line
"""
