"""Quantisation: closed forms (lines 9 and 10)."""

import math
from collections.abc import Iterator

import numpy as np

from tinygen import ops
from tinygen.autodiff.backward import grad
from tinygen.checks.measurement import Measurement, at_most, equal, estimate
from tinygen.checks.registry import check
from tinygen.drawing import Curves
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vq.quantiser import Quantiser, perplexity, usage
from tinygen.vq.vqvae import QuantisedAutoencoder, VQVAEConfig

PAPER = "van den Oord et al. 2017, Neural discrete representation learning"
CODES, WIDTH, EXAMPLES = 5, 3, 4


def quantiser(learned: bool = False, decay: float = 0.0) -> Quantiser:
    """A random codebook of CODES codes in float64."""
    return Quantiser(CODES, WIDTH, decay, learned, rng=Generator(0)).to("float64")


def vectors(seed: int = 1) -> Tensor:
    """Grids of vectors (EXAMPLES, WIDTH, 2, 3)."""
    return Generator(seed).normal((EXAMPLES, WIDTH, 2, 3), "float64")


def trained(z: Tensor) -> Tensor:
    """z as a variable."""
    variable = Tensor(np.asarray(z).copy())
    variable.requires_grad = True
    return variable


def rows(z: Tensor) -> np.ndarray:
    """(N, D, h, w) as vectors (N h w, D)."""
    return np.moveaxis(np.asarray(z), 1, -1).reshape(-1, WIDTH)


@check(
    9,
    "vq",
    "The chosen code is the nearest",
    formula=r"k = \mathrm{argmin}_j |z - e_j|^2",
    statement="No code is nearer than the one that is chosen: against every distance, one by one.",
    source=f"{PAPER}, eq. 1",
)
def nearest_code() -> Iterator[Measurement]:
    q, z = quantiser(), vectors()
    distances = ((rows(z)[:, None] - np.asarray(q.codebook)) ** 2).sum(-1)
    chosen = q.nearest(z).ravel()
    yield equal("which of 5 codes, 24 vectors", chosen, distances.argmin(axis=1))
    yield equal("their sum in z's place", float(ops.sum(q(z).z)), np.asarray(q.codebook)[chosen].sum())


@check(
    9,
    "vq",
    "Straight-through gradients",
    formula=r"\partial L / \partial z_e = \partial L / \partial z_q",
    statement="Whatever the loss behind it, the encoder's output gets the gradient of the decoder's input as it is.",
    source=f"{PAPER}, section 3.2",
)
def straight_through() -> Iterator[Measurement]:
    q, z = quantiser(learned=True), trained(vectors())
    weight = vectors(2)

    def behind(y: Tensor) -> Tensor:
        return ops.sum(ops.sin(y * weight) + y**3)

    y = q(z).z
    (at_encoder,) = grad(behind(y), [z])
    code = trained(y.detach())
    (at_decoder,) = grad(behind(code), [code])
    yield equal("gradient at the encoder's output", at_encoder, at_decoder)
    loss = behind(q(z).z)
    loss.backward()
    yield equal("gradient of that loss in the codebook", _gradient(q.codebook), np.zeros((CODES, WIDTH)))


def _gradient(parameter: Tensor) -> np.ndarray:
    return np.zeros(parameter.shape) if parameter.grad is None else np.asarray(parameter.grad)


@check(
    9,
    "vq",
    "The codebook term moves the chosen codes only",
    formula=r"\partial / \partial e_k\ \frac{1}{N} \sum |\mathrm{sg}(z) - e|^2 = \frac{2}{N} \sum_{z \to k} (e_k - z)",
    statement="Codes that nothing chose stay; the encoder gets no gradient of it. Of the commitment term the reverse.",
    source=f"{PAPER}, eq. 3",
)
def codebook_term() -> Iterator[Measurement]:
    q, z = quantiser(learned=True), trained(vectors())
    q.codebook._assign(np.concatenate([np.asarray(q.codebook)[:-1], np.full((1, WIDTH), 1e3)]))  # one that none chooses
    book, chosen = np.asarray(q.codebook), q.nearest(z).ravel()
    exact = np.array([2 / EXAMPLES * (book[k] - rows(z)[chosen == k]).sum(axis=0) for k in range(CODES)])
    quantised = q(z)
    value = ((rows(z) - book[chosen]) ** 2).sum() / EXAMPLES
    yield equal("its value", float(quantised.codebook_loss), value)
    quantised.codebook_loss.backward()
    yield equal("its gradient in the codebook", _gradient(q.codebook), exact)
    yield equal("its gradient at the encoder's output", _gradient(z), np.zeros(z.shape))
    q.codebook.grad = z.grad = None
    yield equal("the commitment term's value", float(quantised.commitment_loss), value)
    q(z).commitment_loss.backward()
    yield equal("its gradient in the codebook", _gradient(q.codebook), np.zeros((CODES, WIDTH)))
    pulled = 2 / EXAMPLES * (rows(z) - book[chosen])
    yield equal("its gradient at the encoder's output", rows(Tensor(_gradient(z))), pulled)


@check(
    9,
    "vq",
    "beta weighs the commitment term and no other",
    formula=r"\partial L / \partial \beta = \frac{1}{N} \sum |z - \mathrm{sg}(e)|^2",
    statement="Raising beta adds that much of the commitment term to the encoder's gradient, and nothing elsewhere.",
    source=f"{PAPER}, eq. 3",
)
def commitment_weight() -> Iterator[Measurement]:
    x = np.asarray(Generator(3).uniform((EXAMPLES, 1, 4, 4), "float64"))

    def run(beta: float) -> tuple[QuantisedAutoencoder, float]:
        config = VQVAEConfig(codes=CODES, width=WIDTH, hidden=4, halvings=1, beta=beta, codebook="loss")
        model = config.build((1, 4, 4), None, Generator(0)).to("float64").autoencoder
        loss, _ = model.loss({"x": x}, Generator(1))
        loss.backward()
        return model, float(loss)

    (without, loss0), (with_it, loss2) = run(0.0), run(2.0)
    z = with_it.encoder(Tensor(x))
    commitment = with_it.quantiser(z).commitment_loss
    yield equal("the loss, beta 2 less beta 0", loss2 - loss0, 2.0 * float(commitment))
    with_it.zero_grad()
    own = {name: np.asarray(p.grad) for name, p in run(2.0)[0].named_parameters()}
    none = {name: np.asarray(p.grad) for name, p in without.named_parameters()}
    commitment.backward()
    for part in ("encoder", "quantiser", "decoder"):
        names = [name for name in own if name.startswith(part)]
        added = np.concatenate([(own[name] - none[name]).ravel() for name in names])
        exact = np.concatenate([2.0 * _gradient(dict(with_it.named_parameters())[name]).ravel() for name in names])
        if part != "encoder":
            exact = np.zeros_like(exact)
        yield equal(f"gradient of the {part}, beta 2 less beta 0", added, exact)


@check(
    9,
    "vq",
    "A codebook that follows with decay 0 takes one Lloyd step",
    formula=r"e_k = \frac{m_k}{N_k},\ \ m_k \leftarrow \gamma m_k + (1-\gamma) \sum_{z \to k} z,\ \ "
    r"N_k \leftarrow \gamma N_k + (1-\gamma) n_k",
    statement="With decay 0 each code is the mean of what chose it; with another, of batches that count less and less.",
    source=f"{PAPER}, appendix A.1; Lloyd 1982, Least squares quantization in PCM",
)
def lloyd_step() -> Iterator[Measurement]:
    q, z = quantiser(), vectors()
    before, chosen = np.asarray(q.codebook).copy(), q.nearest(z).ravel()
    means = [rows(z)[chosen == k].mean(axis=0) if (chosen == k).any() else before[k] for k in range(CODES)]
    q.follow(z, q.nearest(z), Generator(0))
    yield equal("the codebook after one batch, decay 0", q.codebook, np.array(means))
    decay, q = 0.75, quantiser(decay=0.75)
    counts, sums = np.asarray(q.counts).copy(), np.asarray(q.sums).copy()
    for seed in (1, 2, 3):
        z = vectors(seed)
        chosen = q.nearest(z).ravel()
        one_hot = (chosen[:, None] == np.arange(CODES)).astype(float)
        counts = decay * counts + (1 - decay) * one_hot.sum(axis=0)
        sums = decay * sums + (1 - decay) * one_hot.T @ rows(z)
        q.follow(z, q.nearest(z), Generator(0))
    yield equal("the codebook after three batches, decay 3/4", q.codebook, sums / counts[:, None])


def fitted(points: np.ndarray, codes: int, steps: int, rng: Generator) -> Quantiser:
    """The codebook that k-means and `steps` Lloyd steps find for points (M,) on the line."""
    q = Quantiser(codes, 1, decay=0.0, rng=rng).to("float64")
    z = points[:, None]
    q.start(z, rng)
    for _ in range(steps):
        q.follow(z, q.nearest(z), rng)
    return q


def errors(q: Quantiser, points: np.ndarray) -> np.ndarray:
    """Squared distances of points (M,) to their codes."""
    return (points - np.asarray(q.codebook)[q.nearest(points[:, None]), 0]) ** 2


def picture_of_uniform() -> Curves:
    """Errors of fitted codebooks beside 1 / (12 K^2)."""
    points, sizes = (np.arange(2**12) + 0.5) / 2**12, np.arange(1, 9)
    found = [errors(fitted(points, int(k), 200, Generator(0)), points).mean() for k in sizes]
    lines = {"1 / (12 K^2)": 1 / (12 * sizes**2), "fitted": np.array(found)}
    return Curves("The squared error of K codes for the uniform law on [0, 1]", sizes, lines, "K", "squared error")


@check(
    10,
    "vq",
    "The best quantiser of the uniform law",
    formula=r"\min\, \mathrm{E}(x - e(x))^2 = \frac{1}{12 K^2},\ \ e_k = \frac{2k - 1}{2K}",
    statement="K codes of U[0, 1] sit in the middles of K equal cells; Lloyd's steps find them.",
    source="Lloyd 1982, Least squares quantization in PCM; Gersho and Gray 1992, section 5.2",
    picture=picture_of_uniform,
)
def uniform_quantiser() -> Iterator[Measurement]:
    m = 2**14
    points = (np.arange(m) + 0.5) / m
    for k in (1, 2, 4):
        q = fitted(points, k, 150, Generator(0))
        middles = (np.arange(k) + 0.5) / k
        yield equal(f"K = {k}: the codes", np.sort(np.asarray(q.codebook)[:, 0]), middles, 1e-3)
        exact = 1 / (12 * k**2)
        yield equal(f"K = {k}: 12 K^2 times the error", errors(q, points).mean() / exact, 1.0, 1e-5)


@check(
    10,
    "vq",
    "The best pair of codes of the normal law",
    formula=r"e = \pm \sqrt{2/\pi},\ \ \mathrm{E}(x - e(x))^2 = 1 - \frac{2}{\pi}",
    statement="Two codes of N(0, 1) sit at the means of its halves, and leave 36 % of the variance.",
    source="Max 1960, Quantizing for minimum distortion, table I",
)
def normal_quantiser() -> Iterator[Measurement]:
    half = np.asarray(Generator(0).normal(20_000, "float64"))
    points = np.concatenate([half, -half])  # symmetric, so that the cells meet at 0
    q = fitted(points, 2, 30, Generator(1))
    low, high = np.sort(np.asarray(q.codebook)[:, 0])
    yield equal("the codes are opposite", low, -high)
    yield estimate("the upper code, draws of |x|", np.abs(half) - np.abs(half).mean() + high, math.sqrt(2 / math.pi))
    yield estimate("the squared error", errors(q, half), 1 - 2 / math.pi)


@check(
    10,
    "vq",
    "Perplexity of the codes",
    formula=r"\exp H \leq \min(K, N)",
    statement="The exponential of the entropy of the codes: K when all are equally used, never more than there are.",
    source="Jelinek et al. 1977, Perplexity: a measure of the difficulty of speech recognition tasks",
)
def code_perplexity() -> Iterator[Measurement]:
    yield equal("shares 1/2, 1/4, 1/4, 0", perplexity(usage(np.array([0, 0, 1, 2]), 4)), 2**1.5)
    yield equal("64 codes, equally used", perplexity(usage(np.arange(64).repeat(3), 64)), 64.0)
    yield equal("one code of 64", perplexity(usage(np.full(9, 5), 64)), 1.0)
    for n, k in ((6, 64), (300, 8)):
        chosen = np.asarray(Generator(0).integers(0, k, n))
        yield at_most(f"N = {n}, K = {k}", perplexity(usage(chosen, k)), min(n, k))
