"""Denoising diffusion: schedule, forward process, predictions, objective, bound and samplers, one file each.

Time runs from 1 to T; t = 0 is the data, with `alpha_bar[0] = 1`. Nothing here assumes images.
"""
