"""Kernels."""

from mutant import Mutant

MUTANTS = [
    Mutant(
        "the compiled moving average only adds",
        "kernels/cpu/update.py",
        "average[i] += share * (new[i] - average[i])",
        "average[i] += share * new[i]",
        "engine.moving_average",
    ),
    Mutant(
        "the compiled Adam takes the root of the bias correction twice",
        "kernels/cpu/update.py",
        "(np.sqrt(second) * correction + eps)",
        "(np.sqrt(second * correction) + eps)",
        "engine.adam_first_step",
    ),
    Mutant(
        "the adjoint of a convolution with its kernel the other way round",
        "kernels/definitions/convolution.py",
        "padded[pixels] += (w[..., i, j].swapaxes(-1, -2) @ g)",
        "padded[pixels] += (w[..., -1 - i, -1 - j].swapaxes(-1, -2) @ g)",
        "engine.convolution_adjoint",
    ),
    Mutant(
        "taps of a transposed convolution that overwrite each other",
        "kernels/definitions/convolution.py",
        "padded[pixels] += (w[..., i, j].swapaxes(-1, -2) @ g)",
        "padded[pixels] = (w[..., i, j].swapaxes(-1, -2) @ g)",
        "engine.convolution_adjoint engine.transposed_overlap",
    ),
    Mutant(
        "a normalisation's gradient without its part along the normalised input",
        "kernels/definitions/normalisation.py",
        "return (h - along_one - x_hat * along_x_hat) * rstd",
        "return (h - along_one) * rstd",
        "engine.normalisation_gradient",
    ),
]
