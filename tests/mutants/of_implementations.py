"""Mistakes found in well-known implementations."""

from mutant import Mutant

VQ_LOSS = """        loss = reconstruction + self.beta * quantised.commitment_loss
        if self.quantiser.learned:
            loss = loss + quantised.codebook_loss"""
PLANAR = "self.u + (softplus(inner) - 1.0 - inner) * self.w / (self.w * self.w).sum()"
BATCH_NORM_VJP = """    formula = lambda x, w, b: batch_norm_composed(x, w, b, eps, negative_slope, given)
    return _by_composition(formula, g, x, weight, bias)"""
FIRST_ORDER_ONLY = """    from tinygen.ops.reduction import mean as over

    axes, held = (0, *range(2, x.ndim)), Tensor(rstd.reshape(_channels(x)))
    normal = (x - over(x, axes, keepdims=True)) * held
    return held * (g - over(g, axes, keepdims=True) - normal * over(g * normal, axes, keepdims=True)), None, None"""

MUTANTS = [
    Mutant(
        "beta on the codebook term instead of commitment",
        "tinygen/vq/vqvae.py",
        VQ_LOSS,
        VQ_LOSS.replace("self.beta * ", "").replace("+ quantised.codebook", "+ self.beta * quantised.codebook"),
        "vq.commitment_weight",
    ),
    Mutant(
        "straight-through applied before the loss",
        "tinygen/vq/quantiser.py",
        "_distance(z.detach(), e), _distance(z, e.detach())",
        "_distance(z.detach(), through), _distance(z, through.detach())",
        "vq.codebook_term",
    ),
    Mutant(
        "planar flow with |w| for |w|^2",
        "tinygen/flow/planar.py",
        PLANAR,
        PLANAR + " ** 0.5",
        "flow.planar_constraint",
    ),
    Mutant(
        "planar flow with no invertibility constraint",
        "tinygen/flow/planar.py",
        PLANAR,
        "self.u",
        "flow.planar_constraint",
    ),
    Mutant(
        "log-det with the wrong sign",
        "tinygen/flow/coupling.py",
        "return _stretched(x, s, t, self.mask), _log_stretch(s, self.mask)",
        "return _stretched(x, s, t, self.mask), -_log_stretch(s, self.mask)",
        "flow.log_determinant flow.inverse",
    ),
    Mutant(
        "the 1x1 convolution without H W",
        "tinygen/flow/invertible_convolution.py",
        "math.prod(x.shape[2:]) * self.log_s.sum()",
        "self.log_s.sum()",
        "flow.convolution_determinant flow.log_determinant",
    ),
    Mutant(
        "softmax over +loss in the importance-weighted bound",
        "tinygen/vae/importance.py",
        "ops.logsumexp(log_w, 0) - math.log(log_w.shape[0])",
        "math.log(log_w.shape[0]) - ops.logsumexp(-log_w, 0)",
        "vae.k_sample_bound_rises vae.k_sample_gradient",
    ),
    Mutant(
        "log-likelihood returned with the wrong sign",
        "tinygen/flow/model.py",
        "return per_example(self._law().log_prob(z)) + log_det",
        "return -(per_example(self._law().log_prob(z)) + log_det)",
        "flow.density_integrates_to_one",
    ),
    Mutant(
        "gradient-penalty norm over the wrong axes: over the examples",
        "tinygen/gan/penalties.py",
        "linalg.norm(slopes(critic, between), axis=1)",
        "linalg.norm(slopes(critic, between), axis=0)",
        "gan.linear_critic",
    ),
    Mutant(
        "gradient-penalty norm over the wrong axes: over an image's last alone",
        "tinygen/gan/penalties.py",
        "slope.reshape(len(x), -1)",
        "slope.reshape(-1, x.shape[-1])",
        "gan.linear_critic",
    ),
    Mutant(
        "gradient penalty with epsilon fixed at 1",
        "tinygen/gan/penalties.py",
        "Tensor(e * real._data + (1 - e) * fake._data)",
        "Tensor(real._data)",
        "gan.mixing",
    ),
    Mutant(
        "noise added at the last DDPM step",
        "tinygen/diffusion/sampler.py",
        "if step > 1:",
        "if step > 0:",
        "diffusion.last_step_is_noiseless",
    ),
    Mutant(
        "timestep off by one",
        "tinygen/diffusion/process.py",
        "    a = schedule.alpha_bar\n    return _mixed(at(np.sqrt(a), t, x_0), x_0",
        "    a = np.concatenate([[1.0], schedule.alpha_bar[:-1]])\n    return _mixed(at(np.sqrt(a), t, x_0), x_0",
        "diffusion.forward_process diffusion.time_zero_is_the_data",
    ),
    Mutant(
        "abar_0 missing: abar_1 stands in its place",
        "tinygen/diffusion/process.py",
        "before = np.concatenate([[1.0], a[:-1]])",
        "before = np.concatenate([[1.0], a[1:2], a[1:-1]])",
        "diffusion.posterior diffusion.last_step_is_noiseless",
    ),
    Mutant(
        "EMA averaging buffers",
        "tinygen/optim/ema.py",
        "decay = self.decay if isinstance(value, Parameter) else 0.0",
        "decay = self.decay",
        "engine.averaged_buffers",
    ),
    Mutant(
        "training on one prior and sampling another",
        "tinygen/gan/model.py",
        "return self.generate(self.draw_latent(n, rng, truncation), self.one_hot(n, cond))",
        'return self.generate(latent.draw("uniform", n, self.size, rng, "float64"), self.one_hot(n, cond))',
        "gan.one_prior",
    ),
    Mutant(
        "batch norm's eps and momentum swapped",
        "tinygen/nn/normalisation.py",
        "self.bias, own, share, self.eps,",
        "self.bias, own, self.eps, share,",
        "engine.batch_norm_options",
    ),
    Mutant(
        "batch statistics in a WGAN-GP critic",
        "tinygen/gan/networks.py",
        'nn.BatchNorm2d(w) if normalisation == "batch" else nn.Identity()',
        "nn.BatchNorm2d(w)",
        "gan.examples_apart",
    ),
    Mutant(
        "PixelCNN mask with a blind spot",
        "tinygen/autoregressive/gated.py",
        "((0, 0), (0, 0), (k, 0), (k, k))",
        "((0, 0), (0, 0), (k, 0), (2 * k, 0))",
        "autoregressive.causal_and_complete",
    ),
    Mutant(
        "the centre pixel open in mask A",
        "tinygen/autoregressive/masked.py",
        'raster_mask(kernel_size, kernel_size, mask == "B")',
        "raster_mask(kernel_size, kernel_size, True)",
        "autoregressive.blind_spot",
    ),
    Mutant(
        "an error that sums signed differences",
        "tinygen/checks/measurement.py",
        "errors = np.abs(a - b) / scale",
        "errors = np.full(a.shape, np.abs(np.sum(a - b))) / scale",
        "engine.errors_do_not_cancel",
    ),
    Mutant(
        "an error that lacks abs",
        "tinygen/checks/measurement.py",
        "errors = np.abs(a - b) / scale",
        "errors = (a - b) / scale",
        "engine.errors_do_not_cancel",
    ),
    Mutant(
        "double backward of batch norm with the inverse deviation held constant",
        "tinygen/ops/normalisation.py",
        BATCH_NORM_VJP,
        FIRST_ORDER_ONLY,
        "engine.batch_norm_twice",
    ),
    Mutant(
        "broadcasting in where giving a gradient of the wrong shape",
        "tinygen/autodiff/backward.py",
        "                g = sum_to(g, node.shape)",
        '                g = g if who == "where" else sum_to(g, node.shape)',
        "engine.broadcast_gradients",
    ),
    Mutant(
        "broadcasting in clip giving a gradient of the wrong shape",
        "tinygen/autodiff/backward.py",
        "                g = sum_to(g, node.shape)",
        '                g = g if who == "clip" else sum_to(g, node.shape)',
        "engine.broadcast_gradients",
    ),
    Mutant(
        "gradients that alias one buffer",
        "tinygen/autodiff/backward.py",
        "return tuple(_unaliased(gradients, seed))",
        "return tuple(gradients)",
        "engine.gradients_share_nothing",
    ),
    Mutant(
        "NaN leaking through the untaken branch of where",
        "tinygen/autodiff/backward.py",
        "if passed is not None and (op.elementwise or isinstance(op, Fused)):",
        "if False:",
        "engine.untaken_branch",
    ),
]
