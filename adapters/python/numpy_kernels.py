"""A NumPy kernel and a wrong one, for the tests of the golden files: binary cross-entropy from logits."""

import numpy as np


def reduce(values, upstream, params):
    """The reduced loss, and the factor by which each element's derivative is multiplied."""
    if params["reduction"] == "none":
        return values, upstream
    if params["reduction"] == "sum":
        return values.sum(), upstream
    count = values.dtype.type(values.size)
    return values.sum() / count, upstream / count


def bce_with_logits(logits, target, upstream, params):
    """Loss and the gradient by the logits, in the form that cannot overflow."""
    e = np.exp(-np.abs(logits))
    value, scale = reduce(np.maximum(logits, 0) - logits * target + np.log1p(e), upstream, params)
    return value, scale * (np.where(logits >= 0, 1, e) / (1 + e) - target)


def bce_from_sigmoid(logits, target, upstream, params):
    """The textbook's form: infinite or NaN as soon as the sigmoid rounds to 0 or 1."""
    sigmoid = 1 / (1 + np.exp(-logits))
    value, scale = reduce(-target * np.log(sigmoid) - (1 - target) * np.log(1 - sigmoid), upstream, params)
    return value, scale * (sigmoid - target)
