"""torch.nn.functional as its users call it, behind lossproof's adapter protocol: the loss, and autograd from the upstream.

`adapter.py [cpu|cuda]`, or LOSSPROOF_TORCH_DEVICE; cpu if nothing is said. Eager mode: each operator is torch's own kernel.
"""

import os
import sys

import ml_dtypes
import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from lossproof_adapter import Adapter, Unsupported  # noqa: E402

DEVICE = torch.device(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("LOSSPROOF_TORCH_DEVICE", "cpu"))
# A device that is not there is found before the hello.
torch.zeros(1, device=DEVICE)
# One small tensor after the other: threads cost more than they give.
torch.set_num_threads(1)

where = torch.cuda.get_device_name(DEVICE) if DEVICE.type == "cuda" else DEVICE.type
adapter = Adapter("torch", f"{torch.__version__} on {where}")

# An operator computes 16-bit numbers in f32 and rounds its result to 16 bits. Losses of one operator, or of operators that
# hand f32 on, are held to that; those of several (below) write 16 bits in between.
ONE_OPERATOR = ((["f64", "f32", "f16", "bf16"], {}),)
SEVERAL = ((["f64", "f32"], {}), (["f16"], {"compute": "f16"}), (["bf16"], {"compute": "bf16"}))


def to_torch(array, differentiable):
    if array.dtype == ml_dtypes.bfloat16:
        tensor = torch.from_numpy(array.view(np.uint16).copy()).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(np.array(array))
    tensor = tensor.to(DEVICE)
    return tensor.requires_grad_() if differentiable else tensor


def to_numpy(tensor):
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        return tensor.contiguous().view(torch.uint16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def loss(name, differentiable, others=(), optional=(), params=(), defaults=(), machines=SEVERAL):
    """Serves `f(inputs, params, **{"reduction": ...}) -> loss` of tensors."""

    def register(function):
        def serve(inputs, params, upstream, gradients):
            tensors = {key: to_torch(array, key in gradients) for key, array in inputs.items()}
            value = function(tensors, params, reduction=params["reduction"])
            derivatives = {}
            if gradients:
                # The loss of no elements hangs on nothing.
                arrived = to_torch(np.broadcast_to(upstream, value.shape), False)
                wanted = [tensors[key] for key in gradients]
                found = torch.autograd.grad(value, wanted, arrived, allow_unused=True, materialize_grads=True)
                derivatives = {key: to_numpy(gradient) for key, gradient in zip(gradients, found)}
            return to_numpy(value), derivatives

        for formats, machine in machines:
            # The mean over nothing is 0/0.
            adapter.loss(name, formats, differentiable, optional, params={"empty_mean": "nan", **dict(params)},
                         inputs=[*differentiable, *others], defaults={"reduction": "mean", **dict(defaults)},
                         **machine)(serve)
        return function

    return register


PAIR = ["prediction", "target"]


# torch's weighted means divide by the weights in mse and mae, by the count in huber.
@loss("mse", PAIR, optional=["weight"], params={"mean_over": "weight"})
def mse(inputs, params, reduction):
    return F.mse_loss(**prediction_target(inputs), weight=inputs.get("weight"), reduction=reduction)


@loss("mae", PAIR, optional=["weight"], params={"mean_over": "weight"})
def mae(inputs, params, reduction):
    return F.l1_loss(**prediction_target(inputs), weight=inputs.get("weight"), reduction=reduction)


@loss("huber", PAIR, optional=["weight"], params={"mean_over": "count"}, defaults={"delta": 1.0})
def huber(inputs, params, reduction):
    return F.huber_loss(**prediction_target(inputs), weight=inputs.get("weight"), delta=params["delta"],
                        reduction=reduction)


@loss("smooth_l1", PAIR, params={"mean_over": "count"}, defaults={"beta": 1.0})
def smooth_l1(inputs, params, reduction):
    return F.smooth_l1_loss(**prediction_target(inputs), beta=params["beta"], reduction=reduction)


def prediction_target(inputs):
    return {"input": inputs["prediction"], "target": inputs["target"]}


# torch has no null for ignore_index: a class that no logit can have stands for it.
def ignored(params):
    return -100 if params["ignore_index"] is None else int(params["ignore_index"])


@loss("cross_entropy", ["logits"], ["target"], ["class_weight"], {"smoothing_form": "over_k"},
      {"ignore_index": -100, "label_smoothing": 0.0})
def cross_entropy(inputs, params, reduction):
    return F.cross_entropy(inputs["logits"], inputs["target"], inputs.get("class_weight"),
                           ignore_index=ignored(params), label_smoothing=params["label_smoothing"],
                           reduction=reduction)


@loss("cross_entropy_soft", ["logits", "target"], (), ["class_weight"])
def cross_entropy_soft(inputs, params, reduction):
    return F.cross_entropy(inputs["logits"], inputs["target"], inputs.get("class_weight"), reduction=reduction)


@loss("nll_loss", ["log_probs"], ["target"], ["class_weight"], defaults={"ignore_index": -100})
def nll_loss(inputs, params, reduction):
    return F.nll_loss(inputs["log_probs"], inputs["target"], inputs.get("class_weight"), ignore_index=ignored(params),
                      reduction=reduction)


# Where it has no derivative by the target, nothing else here has one either.
@loss("bce", ["probability"], ["target"], ["weight"],
      {"log_clamp": -100.0, "log_clamp_gradient": "pytorch", "probability_clip": None})
def bce(inputs, params, reduction):
    return F.binary_cross_entropy(inputs["probability"], inputs["target"], inputs.get("weight"), reduction=reduction)


@loss("bce_with_logits", ["logits", "target"], (), ["weight", "pos_weight"])
def bce_with_logits(inputs, params, reduction):
    return F.binary_cross_entropy_with_logits(inputs["logits"], inputs["target"], inputs.get("weight"),
                                              pos_weight=inputs.get("pos_weight"), reduction=reduction)


@loss("kl_div", ["log_prediction", "target"], defaults={"log_target": False, "reduction": "batchmean"})
def kl_div(inputs, params, reduction):
    return F.kl_div(inputs["log_prediction"], inputs["target"], log_target=params["log_target"], reduction=reduction)


@loss("gaussian_nll", ["mean", "target", "variance"], (), (),
      {"variance_floor": 1e-6, "floor_gradient": "straight_through"}, {"full": False})
def gaussian_nll(inputs, params, reduction):
    return F.gaussian_nll_loss(inputs["mean"], inputs["target"], inputs["variance"], full=params["full"], eps=1e-6,
                               reduction=reduction)


@loss("cosine_embedding", ["x1", "x2"], ["target"], params={"epsilon": 1e-12}, defaults={"margin": 0.0})
def cosine_embedding(inputs, params, reduction):
    return F.cosine_embedding_loss(inputs["x1"], inputs["x2"], inputs["target"], margin=params["margin"],
                                   reduction=reduction)


@loss("triplet_margin", ["anchor", "positive", "negative"],
      params={"epsilon": 1e-6, "epsilon_placement": "difference"}, defaults={"margin": 1.0, "p": 2.0, "swap": False})
def triplet_margin(inputs, params, reduction):
    p = params["p"]
    if params["margin"] == 0:
        raise Unsupported("triplet_margin: torch wants a margin above 0")
    return F.triplet_margin_loss(inputs["anchor"], inputs["positive"], inputs["negative"], margin=params["margin"],
                                 p=float("inf") if p == "inf" else p, swap=params["swap"], reduction=reduction)


adapter.serve()
