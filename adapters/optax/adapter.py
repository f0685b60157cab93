"""optax as its users call it, behind lossproof's adapter protocol: unreduced losses under jnp.mean or jnp.sum, jax.vjp.

Everything is compiled, as in a training step. Each new shape costs a compilation of some tenths of a second, so small
inputs are padded to a few sizes and the padding is masked out, as JAX's users do: only a new C or D compiles again.
JAX_COMPILATION_CACHE_DIR, if set, keeps the programs between runs.
"""

import functools
import math
import os
import sys

# JAX keeps programs as quick to compile as these only where it is told to.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from lossproof_adapter import Adapter, Unsupported  # noqa: E402

# Without x64 JAX would make f32 of f64 inputs. It promotes nothing else: Python numbers are weakly typed.
jax.config.update("jax_enable_x64", True)

adapter = Adapter("optax", f"{optax.__version__} on jax {jax.__version__}")

DEFAULTS = {"reduction": "mean"}
# XLA rounds 16-bit numbers after every operation; its CPU code flushes subnormals, but computes those of f16 in f32.
MACHINES = (
    (["f64", "f32"], {"flush_to_zero": True}),
    (["bf16"], {"flush_to_zero": True, "compute": "bf16"}),
    (["f16"], {"compute": "f16"}),
)
# The elements, or the rows of losses that have one value a row, become 16, 64, 256, … of them. Larger inputs stay as
# they are: there are few.
LEAST_COUNT, GROWTH, LARGE = 16, 4, 1 << 16


def padded_count(count, size):
    if size > LARGE:
        return count
    padded = LEAST_COUNT
    while padded < count:
        padded *= GROWTH
    return padded


@functools.partial(jax.jit, static_argnums=0)
def reduce(reduction, values, kept, upstream):
    """The reduced loss, and the gradient that it hands to the unreduced one. A batchmean is the mean of the rows."""

    def reduced(values):
        if reduction == "none":
            return values
        return jnp.sum(values, where=kept) if reduction == "sum" else jnp.mean(values, where=kept)

    value, vjp = jax.vjp(reduced, values)
    return value, vjp(jnp.broadcast_to(upstream, value.shape))[0]


def loss(name, differentiable, others=(), params=(), defaults=(), row_axes=0,
         variant=lambda inputs, params: ({}, {})):
    """Serves `f(inputs, **static, **traced) -> unreduced loss`, with `row_axes` fewer axes than its first input.

    `variant` turns the case's inputs and parameters into f's keywords: `static` ones make a program each, `traced` ones
    are arguments of it. An input `kept` that it adds is the mask of the rows that count.
    """

    def register(function):
        @functools.partial(jax.jit, static_argnums=0)
        def differentiated(static, traced, inputs, upstream):
            def unreduced(derived):
                return function({**inputs, **derived}, **dict(static), **traced)

            value, vjp = jax.vjp(unreduced, {key: inputs[key] for key in differentiable})
            return value, vjp(upstream)[0]

        def serve(inputs, params, upstream, gradients):
            first = inputs[differentiable[0]]
            lead = first.shape[:first.ndim - row_axes]
            count = math.prod(lead)
            padded = padded_count(count, first.size)

            def pad(array):
                rows = np.zeros((padded, *array.shape[len(lead):]), array.dtype)
                rows[:count] = array.reshape((count, *array.shape[len(lead):]))
                return rows

            static, traced = variant(inputs, params)
            kept = pad(inputs.get("kept", np.ones(lead, bool)))
            arrays = {key: pad(array) for key, array in inputs.items()}
            reduction = params["reduction"]
            if reduction == "none":
                upstream = pad(np.broadcast_to(upstream, lead))
            # Sums and means are linear: the gradient that they hand on does not depend on the values.
            _, inner = reduce(reduction, np.zeros(padded, first.dtype), kept, upstream)
            values, derivatives = differentiated(tuple(sorted(static.items())), traced, arrays, inner)
            value, _ = reduce(reduction, values, kept, upstream)
            if reduction == "none":
                value = np.asarray(value)[:count].reshape(lead)
            return value, {key: np.asarray(derivatives[key])[:count].reshape(inputs[key].shape) for key in gradients}

        for formats, machine in MACHINES:
            # The mean over nothing is jnp.mean's 0/0.
            adapter.loss(name, formats, differentiable, params={"empty_mean": "nan", **dict(params)},
                         inputs=[*differentiable, *others], defaults={**DEFAULTS, **dict(defaults)}, **machine)(serve)
        return function

    return register


# optax has no weights, so that a mean is by count.
@loss("mse", ["prediction", "target"], params={"mean_over": "count"})
def mse(inputs):
    return optax.squared_error(inputs["prediction"], inputs["target"])


# optax has no absolute error either; this is what its users write.
@loss("mae", ["prediction", "target"], params={"mean_over": "count"})
def mae(inputs):
    return jnp.abs(inputs["prediction"] - inputs["target"])


@loss("huber", ["prediction", "target"], params={"mean_over": "count"}, defaults={"delta": 1.0},
      variant=lambda inputs, params: ({}, {"delta": params["delta"]}))
def huber(inputs, delta):
    return optax.huber_loss(inputs["prediction"], inputs["target"], delta=delta)


@loss("log_cosh", ["prediction", "target"], params={"mean_over": "count"})
def log_cosh(inputs):
    return optax.log_cosh(inputs["prediction"], inputs["target"])


@loss("hinge", ["score"], ["target"])
def hinge(inputs):
    return optax.hinge_loss(inputs["score"], inputs["target"])


@loss("bce_with_logits", ["logits", "target"])
def bce_with_logits(inputs):
    return optax.sigmoid_binary_cross_entropy(inputs["logits"], inputs["target"])


def focal_variant(inputs, params):
    alpha = params["alpha"]
    return {}, {"gamma": params["gamma"], **({} if alpha is None else {"alpha": alpha})}


# One formula for hard and for soft targets: p_t is interpolated between p and 1 - p.
@loss("focal_sigmoid", ["logits"], ["target"], params={"soft_target": "interpolate_p"},
      defaults={"alpha": 0.25, "gamma": 2.0}, variant=focal_variant)
def focal_sigmoid(inputs, gamma, alpha=None):
    return optax.sigmoid_focal_loss(inputs["logits"], inputs["target"], alpha=alpha, gamma=gamma)


def cross_entropy_variant(inputs, params):
    kept = np.ones(inputs["target"].shape, bool)
    if params["ignore_index"] is not None:
        kept = inputs["target"] != params["ignore_index"]
    if not kept.all():
        # optax's `where`, and a class that exists: it documents targets in [0, C) only.
        inputs["kept"], inputs["target"] = kept, np.where(kept, inputs["target"], 0)
    smoothing = params["label_smoothing"]
    return {}, {"label_smoothing": smoothing} if smoothing else {}


@loss("cross_entropy", ["logits"], ["target"], params={"smoothing_form": "over_k"}, row_axes=1,
      defaults={"ignore_index": -100, "label_smoothing": 0.0}, variant=cross_entropy_variant)
def cross_entropy(inputs, label_smoothing=None):
    logits, target, kept = inputs["logits"], inputs["target"], inputs.get("kept")
    if label_smoothing is None:
        return optax.softmax_cross_entropy_with_integer_labels(logits, target, where=kept)
    onehot = jax.nn.one_hot(target, logits.shape[-1], dtype=logits.dtype)
    return optax.softmax_cross_entropy(logits, optax.smooth_labels(onehot, label_smoothing), where=kept)


# optax documents a function of its own for logits of -inf.
@loss("cross_entropy_soft", ["logits", "target"], row_axes=1,
      variant=lambda inputs, params: ({"safe": bool(np.isneginf(inputs["logits"].astype(np.float64)).any())}, {}))
def cross_entropy_soft(inputs, safe):
    function = optax.safe_softmax_cross_entropy if safe else optax.softmax_cross_entropy
    return function(inputs["logits"], inputs["target"])


# optax sums over the classes itself: there is no unreduced loss, and no mean by element.
@loss("kl_div", ["log_prediction", "target"], params={"reduction": "batchmean"}, row_axes=1,
      defaults={"log_target": False}, variant=lambda inputs, params: ({"log_target": params["log_target"]}, {}))
def kl_div(inputs, log_target):
    function = optax.losses.kl_divergence_with_log_targets if log_target else optax.losses.kl_divergence
    return function(inputs["log_prediction"], inputs["target"])


# optax has the distance and the similarity. The hinge over the pairs that do not belong together is its user's.
@loss("cosine_embedding", ["x1", "x2"], ["target"], params={"epsilon": 0.0}, defaults={"margin": 0.0}, row_axes=1,
      variant=lambda inputs, params: ({}, {"margin": params["margin"]}))
def cosine_embedding(inputs, margin):
    x1, x2 = inputs["x1"], inputs["x2"]
    apart = jax.nn.relu(optax.cosine_similarity(x1, x2) - margin)
    return jnp.where(inputs["target"] == 1, optax.cosine_distance(x1, x2), apart)


def triplet_margin_variant(inputs, params):
    p = params["p"]
    if p == "inf":
        raise Unsupported("triplet_margin: optax's norm_degree is a number")
    # A whole number as its user writes it: JAX has another power for integers.
    return {"p": int(p) if p == int(p) else p}, {"margin": params["margin"]}


# epsilon is an argument of optax's, and 1e-6 its default. Where it is added, and that nothing is swapped, is fixed.
@loss("triplet_margin", ["anchor", "positive", "negative"], row_axes=1, variant=triplet_margin_variant,
      params={"epsilon": 1e-6, "epsilon_placement": "root", "swap": False}, defaults={"margin": 1.0, "p": 2.0})
def triplet_margin(inputs, p, margin):
    return optax.losses.triplet_margin_loss(
        inputs["anchor"], inputs["positive"], inputs["negative"], norm_degree=p, margin=margin)


adapter.serve()
