"""Quantisation and autoregressive models."""

from mutant import Mutant

QUANTISER = "tinygen/vq/quantiser.py"
GATED = "tinygen/autoregressive/gated.py"

MUTANTS = [
    Mutant(
        "the nearest code without the half of |e|^2",
        "kernels/definitions/codebook.py",
        "distance = np.square(z - code).sum(axis=1)",
        "distance = np.square(code).sum() - z @ code",
        "vq.nearest_code vq.uniform_quantiser",
    ),
    Mutant(
        "the reconstruction moves the codebook as well",
        QUANTISER,
        "through = z + (e - z).detach()",
        "through = e + (z - z.detach())",
        "vq.straight_through",
    ),
    Mutant(
        "the encoder gets no gradient through its codes",
        QUANTISER,
        "through = z + (e - z).detach()",
        "through = e.detach() + 0.0 * z",
        "vq.straight_through",
    ),
    Mutant(
        "the codebook term without stopping the gradient in z",
        QUANTISER,
        "_distance(z.detach(), e), _distance(z, e.detach())",
        "_distance(z, e), _distance(z, e.detach())",
        "vq.codebook_term",
    ),
    Mutant(
        "the mean over the entries of an example in place of the sum",
        QUANTISER,
        "return squared_distance(a, b) * (1.0 / len(a))",
        "return squared_distance(a, b) * (1.0 / a.size)",
        "vq.codebook_term",
    ),
    Mutant(
        "beta on reconstruction and commitment together",
        "tinygen/vq/vqvae.py",
        "loss = reconstruction + self.beta * quantised.commitment_loss",
        "loss = self.beta * (reconstruction + quantised.commitment_loss)",
        "vq.commitment_weight",
    ),
    Mutant(
        "moving averages whose sums forget more slowly than their counts",
        QUANTISER,
        "self.decay * self.sums._data + (1 - self.decay) * new_sums",
        "self.decay * self.sums._data + new_sums",
        "vq.lloyd_step",
    ),
    Mutant(
        "sums of vectors over shares, not counts",
        QUANTISER,
        "return _counted(indices, self.codes, vectors.dtype), sums",
        "return _counted(indices, self.codes, vectors.dtype) / len(vectors), sums",
        "vq.lloyd_step vq.uniform_quantiser vq.normal_quantiser",
    ),
    Mutant(
        "perplexity as e to the bits",
        QUANTISER,
        "(shares * module.log(",
        "(shares * module.log2(",
        "vq.code_perplexity",
    ),
    Mutant(
        "the first layer's rows not shifted: a pixel sees itself",
        GATED,
        "h = self.horizontal(ops.pad(h[:, :, :, :last],",
        "h = self.horizontal(ops.pad(h[:, :, :, 1 if self.first else 0 :],",
        "autoregressive.causal_and_complete autoregressive.normalised autoregressive.conditionals",
    ),
    Mutant(
        "no link from the vertical stack to the horizontal one",
        GATED,
        "return gate(_plus(a, bias)), self.link(a)",
        "return gate(_plus(a, bias)), 0.0 * self.link(a)",
        "autoregressive.causal_and_complete autoregressive.class_in_every_gate",
    ),
    Mutant(
        "a vertical stack that looks one row down",
        GATED,
        "v, linked = self.vertical(ops.pad(v[:, :, :last],",
        "v, linked = self.vertical(ops.pad(v[:, :, 1 if self.first else 0 :],",
        "autoregressive.causal_and_complete autoregressive.normalised",
    ),
    Mutant(
        "one half of the class's weights for both stacks",
        GATED,
        "return both[:, 0], both[:, 1]",
        "return both[:, 0], both[:, 0]",
        "autoregressive.class_in_every_gate",
    ),
    Mutant(
        "a mask open along its whole row",
        "tinygen/autoregressive/masked.py",
        "mask[height // 2, : width // 2 + centre] = 1.0",
        "mask[height // 2] = 1.0",
        "autoregressive.blind_spot",
    ),
    Mutant(
        "the sampler forgets the pixel it has just drawn",
        "tinygen/autoregressive/ancestral.py",
        "horizontal[0][:, :, 0, k + column] = plane",
        "horizontal[0][:, :, 0, k + column] = 0.0",
        "autoregressive.ancestral_law",
    ),
    Mutant(
        "nats for bits",
        "tinygen/autoregressive/pixelcnn.py",
        "return 1.0 / (math.prod(self.size) * math.log(2.0))",
        "return 1.0 / math.prod(self.size)",
        "autoregressive.uniform_bits",
    ),
    Mutant(
        "the mean over the pixels in place of their sum",
        GATED,
        'return -ops.sum(F.cross_entropy(logits, target, reduction="none"), (1, 2))',
        'return -ops.mean(F.cross_entropy(logits, target, reduction="none"), (1, 2))',
        "autoregressive.uniform_bits autoregressive.normalised",
    ),
]
