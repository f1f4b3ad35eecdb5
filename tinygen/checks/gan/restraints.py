"""What keeps a critic's slope in check: penalties, norms, examples that do not see each other (CHECKS 29, 30, 32)."""

from collections.abc import Iterator

import numpy as np

from tinygen import nn
from tinygen.autodiff.backward import grad
from tinygen.checks.measurement import Measurement, at_least, equal, estimate
from tinygen.checks.registry import check
from tinygen.gan.penalties import gradient_penalty, orthogonal_penalty, r1_penalty
from tinygen.gan.variants import WGANGPConfig
from tinygen.nn import functional as F
from tinygen.nn.spectral_norm import convolution_norm
from tinygen.ops.joining import concat
from tinygen.random import Generator
from tinygen.tensor import Tensor

SEED = 29
IMAGES = (6, 2, 3, 2)


@check(
    29,
    "gan",
    "gradient penalties of a linear critic",
    formula=r"(|w|-1)^2,\ \nabla_w=2(|w|-1)\,w/|w|;\qquad R_1=|w|^2/2,\ \nabla_w=w",
    statement="The critic w.x has slope w at every image, its norm taken over all axes of an image at once; the "
    "penalty's own gradient comes by double backward.",
    source="Gulrajani et al. 2017, eq. 3; Mescheder, Geiger and Nowozin 2018, eq. 9",
)
def linear_critic() -> Iterator[Measurement]:
    rng = np.random.default_rng(SEED)
    real, fake = (Tensor(rng.normal(size=IMAGES)) for _ in range(2))
    for scale in (0.3, 1.7):
        w = Tensor(scale * rng.normal(size=IMAGES[1:]), requires_grad=True)
        value, length = w.detach().numpy(), float(np.linalg.norm(w.detach().numpy()))
        critic = lambda x, w=w: (x * w).sum((1, 2, 3))
        penalty = gradient_penalty(critic, real, fake, Generator(0))
        yield equal(f"gradient penalty, |w| = {length:.2f}", penalty, (length - 1) ** 2)
        yield equal("its gradient", grad(penalty, [w])[0], 2 * (length - 1) * value / length)
        penalty = r1_penalty(critic, real)
        yield equal(f"R1, |w| = {length:.2f}", penalty, length**2 / 2)
        yield equal("its gradient", grad(penalty, [w])[0], value)


@check(
    29,
    "gan",
    "where the gradient penalty is taken",
    formula=r"x=\epsilon\,x_{\mathrm{real}}+(1-\epsilon)\,x_{\mathrm{fake}},\quad\epsilon\sim U[0,1]",
    statement="Each example has a mixing share of its own, uniform between the two: mean 1/2, mean square 1/3, and "
    "every entry of an example is mixed alike.",
    source="Gulrajani et al. 2017, algorithm 1, lines 5 and 6",
)
def mixing() -> Iterator[Measurement]:
    seen = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach().numpy())
        return (x * x).sum((1, 2, 3))

    n = 4000
    real, fake = np.full((n, 1, 2, 2), 3.0), np.full((n, 1, 2, 2), -1.0)
    gradient_penalty(critic, Tensor(real), Tensor(fake), Generator(29))
    share = (seen[0] + 1) / 4
    yield equal("spread within an example", np.ptp(share.reshape(n, -1), axis=1).max(), 0.0)
    yield estimate("mean share of the real", share[:, 0, 0, 0], 0.5)
    yield estimate("mean squared share", share[:, 0, 0, 0] ** 2, 1 / 3)


@check(
    29,
    "gan",
    "no batch statistics in a WGAN-GP critic",
    formula=r"D(x_1\,|\,x_2,\ldots,x_n)=D(x_1)",
    statement="In training, the critic's logit of an image does not depend on the images beside it: otherwise the "
    "gradient of the sum is not the gradient of each, and the penalty is of something else.",
    source="Gulrajani et al. 2017, section 4, 'No critic batch normalization'",
)
def examples_apart() -> Iterator[Measurement]:
    rng = np.random.default_rng(SEED)
    images = Tensor(rng.normal(size=(5, 1, 8, 8)))
    for net in ("mlp", "conv"):
        options = WGANGPConfig(net=net, channels=4, hidden=(8,), latent=3)
        model = options.build((1, 8, 8), None, Generator(0)).to("float64").train()
        together = model.discriminate(images)
        alone = concat([model.discriminate(images[i : i + 1]) for i in range(5)])
        yield equal(f"logits of {net}, together and alone", together, alone)
        yield at_least("how far the logits are apart", np.ptp(alone.numpy()), 1e-6)


@check(
    30,
    "gan",
    "the gradient through spectral normalisation",
    formula=r"\frac{\partial L}{\partial W}=\frac{G-\langle G,\,W/\sigma\rangle\,uv^T}{\sigma}",
    statement="Dividing a weight by its largest singular value takes out of its gradient what would only scale it.",
    source="Miyato et al. 2018, eq. 12",
)
def spectral_gradient() -> Iterator[Measurement]:
    rng = np.random.default_rng(SEED)
    layers = {
        "linear": nn.Linear(6, 4, rng=Generator(0), dtype="float64"),
        "conv": nn.Conv2d(2, 4, 3, rng=Generator(0), dtype="float64"),
        "transposed": nn.ConvTranspose2d(2, 4, 3, rng=Generator(0), dtype="float64"),
    }
    for name, plain in layers.items():
        layer = nn.spectral_norm(plain, n_power_iterations=1000, rng=Generator(1))
        normalised = layer.weight
        g = rng.normal(size=normalised.shape)
        rows = lambda w, name=name: (w.swapaxes(0, 1) if name == "transposed" else w).reshape(4, -1)
        w = rows(layer.weight_orig.detach().numpy())
        left, singular, right = np.linalg.svd(w)
        exact = (rows(g) - (rows(g) * w / singular[0]).sum() * np.outer(left[:, 0], right[0])) / singular[0]
        yield equal(f"{name}: the weight", rows(normalised.detach().numpy()), w / singular[0])
        yield equal(f"{name}: its gradient", rows(grad(normalised, [layer.weight_orig], Tensor(g))[0].numpy()), exact)


@check(
    30,
    "gan",
    "the norm of a convolution",
    formula=r"\|K*\cdot\|=\max_{\omega}\ \sigma_{\max}(\hat K(\omega))",
    statement="A circular convolution is a matrix for every frequency; its norm is the largest of theirs, not that of "
    "the kernel laid out as one matrix, which is what spectral normalisation divides by.",
    source="Sedghi, Gupta and Long 2019, theorem 6",
)
def convolution() -> Iterator[Measurement]:
    rng = np.random.default_rng(SEED)
    kernel, (height, width) = rng.normal(size=(3, 2, 3, 2)), (5, 4)
    unit = np.eye(2 * height * width).reshape(-1, 2, height, width)
    joined = np.pad(unit, ((0, 0), (0, 0), (0, 2), (0, 1)), mode="wrap")
    whole = F.conv2d(Tensor(joined), Tensor(kernel)).numpy().reshape(len(unit), -1)
    norm = convolution_norm(Tensor(kernel), (height, width))
    yield equal("against the whole matrix of the layer", norm, np.linalg.norm(whole, 2))
    flat = np.linalg.norm(kernel.reshape(3, -1), 2)
    yield at_least("how far from the reshaped kernel's", abs(norm - float(flat)), 0.1)


@check(
    32,
    "gan",
    "the orthogonal penalty",
    formula=r"\nabla_W\|W^TW\circ(1-I)\|^2=4W(W^TW\circ(1-I))",
    statement="The penalty turns columns apart and leaves their lengths free: at orthogonal columns of any lengths it "
    "is 0.",
    source="Brock, Donahue and Simonyan 2019, eq. 3",
)
def orthogonality() -> Iterator[Measurement]:
    rng = np.random.default_rng(SEED)
    w = Tensor(rng.normal(size=(5, 3)), requires_grad=True)
    value = w.detach().numpy()
    gram = value.T @ value * (1 - np.eye(3))
    penalty = orthogonal_penalty(w)
    yield equal("the penalty", penalty, (gram**2).sum())
    yield equal("its gradient", grad(penalty, [w])[0], 4 * value @ gram)
    columns = np.linalg.qr(value)[0] * np.array([0.5, 1.0, 3.0])
    yield equal("orthogonal columns of lengths 0.5, 1, 3", orthogonal_penalty(Tensor(columns)), 0.0)
