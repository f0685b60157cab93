"""optax as its users call it, behind lossproof's adapter protocol: unreduced losses under jnp.mean or jnp.sum.

Loss and gradients (jax.vjp) are one compiled program, as in a training step. A new shape costs a compilation, a few
tenths of a second; then thousands of cases a second. Set JAX_COMPILATION_CACHE_DIR to keep the programs between runs.
"""

import functools
import os
import sys

# Programs as small as these are kept only where JAX is told so.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from lossproof_adapter import Adapter, Unsupported  # noqa: E402

# Without x64 JAX would make f32 of f64 inputs. It promotes nothing else: Python numbers are weakly typed.
jax.config.update("jax_enable_x64", True)

adapter = Adapter("optax", f"{optax.__version__} on jax {jax.__version__}")


def loss(name, differentiable, others=(), params=(), static=(), traced=()):
    """Serves `f(inputs, params) -> (unreduced loss, mask of the kept rows or None)`.

    `params` is pinned. `static` parameters are Python values inside f. `traced` ones are arguments of the compiled
    program, so that each new number is not a new program; one that is 0 is left out of f's params.
    """

    def register(function):
        @functools.cache
        def program(constants, reduction):
            @jax.jit
            def run(derived, rest, numbers, upstream):
                def reduced(derived):
                    values, mask = function({**derived, **rest}, {**dict(constants), **numbers})
                    if reduction == "none":
                        return values
                    return jnp.sum(values) if reduction == "sum" else jnp.mean(values, where=mask)

                value, vjp = jax.vjp(reduced, derived)
                return value, vjp(jnp.broadcast_to(upstream, value.shape))[0]

            return run

        def serve(inputs, params, upstream, gradients):
            constants = tuple((key, params[key]) for key in static)
            numbers = {key: params[key] for key in traced if params[key] != 0}
            derived = {key: inputs[key] for key in differentiable}
            rest = {key: inputs[key] for key in others}
            return program(constants, params["reduction"])(derived, rest, numbers, upstream)

        # The mean over nothing is jnp.mean's 0/0.
        pinned = {"empty_mean": "nan", **dict(params)}
        # XLA's CPU code flushes the subnormals of what it computes in; for f16 that is f32, where f16's are normal.
        declare = adapter.loss(name, ["f64", "f32", "f16", "bf16"], differentiable, params=pinned,
                               inputs=[*differentiable, *others], defaults=DEFAULTS, flush_to_zero=True)
        declare(serve)
        return function

    return register


DEFAULTS = {"reduction": "mean", "ignore_index": -100, "label_smoothing": 0.0, "margin": 1.0, "p": 2.0}


@loss("mse", ["prediction", "target"], params={"mean_over": "count"})
def mse(inputs, params):
    return optax.squared_error(inputs["prediction"], inputs["target"]), None


# optax has no absolute error; this is what its users write.
@loss("mae", ["prediction", "target"], params={"mean_over": "count"})
def mae(inputs, params):
    return jnp.abs(inputs["prediction"] - inputs["target"]), None


@loss("cross_entropy", ["logits"], ["target"], params={"smoothing_form": "over_k"},
      static=["ignore_index"], traced=["label_smoothing"])
def cross_entropy(inputs, params):
    logits, target, mask = inputs["logits"], inputs["target"], None
    if params["ignore_index"] is not None:
        mask = target != params["ignore_index"]
        target = jnp.where(mask, target, 0)  # optax takes classes in [0, C) only
    if "label_smoothing" not in params:
        return optax.softmax_cross_entropy_with_integer_labels(logits, target, where=mask), mask
    onehot = jax.nn.one_hot(target, logits.shape[-1], dtype=logits.dtype)
    smoothed = optax.smooth_labels(onehot, params["label_smoothing"])
    return optax.softmax_cross_entropy(logits, smoothed, where=mask), mask


@loss("bce_with_logits", ["logits", "target"])
def bce_with_logits(inputs, params):
    return optax.sigmoid_binary_cross_entropy(inputs["logits"], inputs["target"]), None


# epsilon is an argument of optax's, and 1e-6 its default; where it is added, and that nothing is swapped, is fixed.
@loss("triplet_margin", ["anchor", "positive", "negative"],
      params={"epsilon": 1e-6, "epsilon_placement": "root", "swap": False}, static=["p"], traced=["margin"])
def triplet_margin(inputs, params):
    degree = params["p"]
    if degree == "inf":
        raise Unsupported("triplet_margin: optax's norm_degree is a number")
    # A whole number as its user writes it: JAX has another power for integers.
    degree = int(degree) if degree == int(degree) else degree
    values = optax.losses.triplet_margin_loss(
        inputs["anchor"], inputs["positive"], inputs["negative"], norm_degree=degree, margin=params.get("margin", 0.0))
    return values, None


adapter.serve()
