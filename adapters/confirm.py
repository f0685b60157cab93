"""A second opinion on a finding, by hand: the true loss and gradients of a protocol request, in mpmath.

`python3 adapters/confirm.py request.json [answer.json]` prints the true values, beside them the answer's with their
errors in ulp. The formulas are CATALOGUE.md's and share no code with lossproof; digits are taken as true when two
precisions agree in 60 of them, which is evidence and not proof. Needs mpmath. `reference` is importable.
"""

import base64
import json
import struct
import sys

from mpmath import mp, mpf

# What two precisions must agree in: 60 decimal digits.
AGREEMENT = mpf(2) ** -200
# The precision to start from, in bits: differences of the format's numbers are exact in it.
START = {"f64": 2304, "f32": 384, "bf16": 384, "f16": 256}
# Bits of the significand, exponent of the least normal number, exponent of the greatest.
FORMATS = {"f64": (53, -1022, 1023), "f32": (24, -126, 127), "f16": (11, -14, 15), "bf16": (8, -126, 127)}

REDUCTION = {"reduction": "mean", "empty_mean": "nan"}
DEFAULTS = {
    "mse": {**REDUCTION, "mean_over": "count"},
    "mae": {**REDUCTION, "mean_over": "count"},
    "cross_entropy": {**REDUCTION, "ignore_index": -100, "label_smoothing": 0.0, "smoothing_form": "over_k"},
    "bce_with_logits": REDUCTION,
    "triplet_margin": {**REDUCTION, "margin": 1.0, "p": 2.0, "epsilon": 0.0, "epsilon_placement": "difference",
                       "swap": False},
}


# ------------------------------------------------------------------------------------------------ results
# A true value is an mpf; a pair (lo, hi) at a kink, the accepted interval; None where the mathematics has no value or
# an input is NaN. Inside, kinks make pairs and NaN stands for None.


def reference(request):
    """{"loss": [...], "grad.x": [...]}: the true values of a request (a dict), row-major.

    Gradients are those that the request asks for, or all where it does not say.
    A number that cancels below the precisions tried (2^-4608 of its terms in f64) comes out as 0; and where a true value
    is as near to a tie of the format as that, its last rounding is not decided here.
    """
    loss, format = request["loss"], request["format"]
    params = {**DEFAULTS[loss], **(request.get("params") or {})}
    inputs = {name: Tensor(tensor) for name, tensor in request["inputs"].items()}
    upstream = Tensor(request["upstream"]).values if "upstream" in request else None
    bits = START[format]
    before = _outputs(request, LOSSES[loss], inputs, params, upstream, bits)
    for bits in (2 * bits, 4 * bits):
        now = _outputs(request, LOSSES[loss], inputs, params, upstream, bits)
        if all(_agree(x, y) for name in now for x, y in zip(before[name], now[name])):
            return now
        before, last = now, before
    return {name: [_settled(x, y) for x, y in zip(last[name], now[name])] for name in now}


def _outputs(request, define, inputs, params, upstream, bits):
    with mp.workprec(bits):
        loss, gradients = define(inputs, params, upstream)
        wanted = request.get("gradients", list(gradients))
        outputs = {"loss": loss, **{f"grad.{name}": gradients[name] for name in wanted}}
        return {name: [_finished(x) for x in values] for name, values in outputs.items()}


def _finished(x):
    if isinstance(x, tuple):
        return None if any(mp.isnan(end) for end in x) else x if x[0] != x[1] else x[0]
    return None if mp.isnan(x) else x


def _settled(x, y):
    """y, where it agrees with x. What still changes is rounding noise around an exact 0, such as 1/3 − 1/3."""
    if _agree(x, y):
        return y
    if x is None or y is None:
        raise ArithmeticError("one precision finds a value where another finds none")
    if isinstance(x, tuple) or isinstance(y, tuple):
        return tuple(_settled(a, b) for a, b in zip(_ends(x), _ends(y)))
    return mpf(0)


def _agree(x, y):
    if x is None or y is None:
        return x is y
    if isinstance(x, tuple) or isinstance(y, tuple):
        return isinstance(x, tuple) and isinstance(y, tuple) and all(_agree(a, b) for a, b in zip(x, y))
    return x == y or mp.isfinite(x) and mp.isfinite(y) and abs(x - y) <= AGREEMENT * abs(y)


class Tensor:
    """A protocol tensor: its shape, and its values as mpf, int or bool."""

    CODES = {"f64": "d", "f32": "f", "f16": "e", "bf16": "H", "i64": "q", "bool": "?"}

    def __init__(self, tensor):
        kind, self.shape = tensor["dtype"], tensor["shape"]
        if "base64" in tensor:
            raw, code = base64.b64decode(tensor["base64"]), self.CODES[kind]
            values = [value for (value,) in struct.iter_unpack(f"<{code}", raw)]
            if kind == "bf16":  # the upper half of an f32
                values = [struct.unpack("<f", struct.pack("<I", word << 16))[0] for word in values]
        else:
            values = tensor["values"]
        self.values = values if kind in ("i64", "bool") else [mpf(float(value)) for value in values]

    def rows(self):
        count, width = self.shape
        return [self.values[row * width:(row + 1) * width] for row in range(count)]


# ------------------------------------------------------------------------------------------------ intervals


def _ends(x):
    return x if isinstance(x, tuple) else (x, x)


def _times(x, y):
    """The hull of the products. An exact 0 makes 0 of any interval, and NaN of an infinity, as in IEEE 754."""
    if not isinstance(x, tuple) and not isinstance(y, tuple):
        return x * y
    products = [a * b for a in _ends(x) for b in _ends(y)]
    return min(products), max(products)


def _minus(x, y):
    if not isinstance(x, tuple) and not isinstance(y, tuple):
        return x - y
    (a, b), (c, d) = _ends(x), _ends(y)
    return a - d, b - c


def _hull(x, y):
    (a, b), (c, d) = _ends(x), _ends(y)
    return min(a, c), max(b, d)


def _vanishes(x, scale):
    """Whether x is 0, as far as this precision tells: values of this size are kinks."""
    return abs(x) <= scale * mpf(2) ** -(3 * mp.prec // 4)


# ------------------------------------------------------------------------------------------------ reductions


def _reduce(terms, params, upstream, divisor):
    """The reduced loss, and the factor of each term's derivative; None where the loss is the constant 0."""
    reduction = params["reduction"]
    if reduction == "none":
        return terms, upstream or [mpf(1)] * len(terms)
    factor = upstream[0] if upstream else mpf(1)
    total = sum(terms, mpf(0))
    if reduction == "mean":
        if divisor == 0:
            if params["empty_mean"] == "zero":
                return [mpf(0)], None
            return [mpf("nan")], [mpf("nan")] * len(terms)
        total, factor = total / divisor, factor / divisor
    return [total], [factor] * len(terms)


def _elementwise(inputs, params, upstream, term, names):
    """Losses of single elements: `term(x, y, element)` gives the value and the derivatives by x and y."""
    x, y = (inputs[name].values for name in names)
    weight = inputs["weight"].values if "weight" in inputs else [mpf(1)] * len(x)
    terms = [term(x[i], y[i], i) for i in range(len(x))]
    divisor = sum(weight, mpf(0)) if params.get("mean_over") == "weight" else mpf(len(x))
    loss, factors = _reduce([w * value for w, (value, _, _) in zip(weight, terms)], params, upstream, divisor)
    if factors is None:
        return loss, {name: [mpf(0)] * len(x) for name in names}
    gradients = {}
    for place, name in enumerate(names, start=1):
        gradients[name] = [_times(f * w, term[place]) for f, w, term in zip(factors, weight, terms)]
    return loss, gradients


# ------------------------------------------------------------------------------------------------ the losses


def mse(inputs, params, upstream):
    """(x − y)²."""

    def term(x, y, _):
        return (x - y) ** 2, 2 * (x - y), 2 * (y - x)

    return _elementwise(inputs, params, upstream, term, ("prediction", "target"))


def mae(inputs, params, upstream):
    """|x − y|; the derivative at 0 is [−1, 1]."""

    def term(x, y, _):
        r = x - y
        sign = (mpf(-1), mpf(1)) if r == 0 else mp.sign(r)
        return abs(r), sign, _minus(mpf(0), sign)

    return _elementwise(inputs, params, upstream, term, ("prediction", "target"))


def softplus(x):
    return max(x, mpf(0)) + mp.log1p(mp.exp(-abs(x)))


def sigmoid(x):
    e = mp.exp(-abs(x))
    return (1 if x >= 0 else e) / (1 + e)


def bce_with_logits(inputs, params, upstream):
    """y·pw·softplus(−x) + (1 − y)·softplus(x)."""
    pos_weight = inputs["pos_weight"].values if "pos_weight" in inputs else [mpf(1)]

    def term(x, y, element):
        pw = pos_weight[element % len(pos_weight)]
        value = y * pw * softplus(-x) + (1 - y) * softplus(x)
        by_x = (1 - y) * sigmoid(x) - y * pw * sigmoid(-x)
        by_y = -x if pw == 1 else pw * softplus(-x) - softplus(x)
        return value, by_x, by_y

    return _elementwise(inputs, params, upstream, term, ("logits", "target"))


def cross_entropy(inputs, params, upstream):
    """Σ_c a_c·(LSE(x) − x_c) with a = class_weight·q, q the one-hot target, smoothed."""
    logits, targets = inputs["logits"].rows(), inputs["target"].values
    classes = inputs["logits"].shape[1]
    weight = inputs["class_weight"].values if "class_weight" in inputs else [mpf(1)] * classes
    epsilon, zero = mpf(params["label_smoothing"]), mpf(0)
    if params["smoothing_form"] == "over_k":
        other, target_extra = epsilon / classes, epsilon / classes
    else:
        other, target_extra = epsilon / (classes - 1) if classes > 1 else mpf("nan"), zero
    kept = [target != params["ignore_index"] for target in targets]

    def row(x, target, keep):
        if not keep:
            return zero, [zero] * classes
        a = [weight[c] * (other if c != target else 1 - epsilon + target_extra) for c in range(classes)]
        top = max(range(classes), key=lambda c: x[c])
        if any(mp.isnan(xc) for xc in x) or x[top] == -mp.inf:
            return mpf("nan"), [mpf("nan")] * classes
        e = [mp.exp(xc - x[top]) for xc in x]
        # Nothing below cancels where the mathematics does not: Σ e without its largest term, which is 1, and so on.
        tail = mp.fsum(e[:top] + e[top + 1:])
        log_sum, total, all_a = mp.log1p(tail), 1 + tail, mp.fsum(a)
        value = mp.fsum(a[c] * (x[top] - x[c] + log_sum) for c in range(classes) if a[c] != 0)
        others = [tail if c == top else total - e[c] for c in range(classes)]
        # all_a·softmax_c − a_c, as (all_a − a_c)·softmax_c − a_c·(1 − softmax_c)
        return value, [((all_a - a[c]) * e[c] - a[c] * others[c]) / total for c in range(classes)]

    rows = [row(*each) for each in zip(logits, targets, kept)]
    divisor = sum((weight[target] for target, keep in zip(targets, kept) if keep), zero)
    loss, factors = _reduce([value for value, _ in rows], params, upstream, divisor)
    if factors is None:
        return loss, {"logits": [zero] * classes * len(rows)}
    gradient = []
    for (_, derivatives), factor, keep in zip(rows, factors, kept):
        # An ignored row adds exactly 0 even to a mean over nothing.
        gradient += [factor * d for d in derivatives] if keep else derivatives
    return loss, {"logits": gradient}


def norm(d, p, epsilon):
    """(Σ|d_i|^p + epsilon)^(1/p), or max|d_i| where p is "inf" (epsilon then has no root to stand under); its gradient."""
    size, sign = [abs(x) for x in d], [mp.sign(x) for x in d]
    ball = (mpf(-1), mpf(1))
    if p == "inf":
        value = max(size)
        largest = [i for i, s in enumerate(size) if s == value]
        if value == 0:
            return value, [ball] * len(d)
        if len(largest) == 1:
            return value, [sign[i] if i == largest[0] else mpf(0) for i in range(len(d))]
        return value, [_hull(mpf(0), sign[i]) if i in largest else mpf(0) for i in range(len(d))]
    p = mpf(p)
    total = mp.fsum(s**p for s in size) + epsilon
    if total == 0:
        return mpf(0), [ball] * len(d)
    value = mp.sqrt(total) if p == 2 else total ** (1 / p)
    outer = value / total

    def by(i):
        if size[i] == 0:
            return ball if p == 1 else mpf(0)
        return sign[i] * size[i] ** (p - 1) * outer

    return value, [by(i) for i in range(len(d))]


def triplet_margin(inputs, params, upstream):
    """max(margin + d(anchor, positive) − d(anchor, negative), 0); with swap, the lesser of d(·, negative)."""
    margin, p, epsilon = mpf(params["margin"]), params["p"], mpf(params["epsilon"])
    in_root = params["epsilon_placement"] == "root"
    names = ("anchor", "positive", "negative")

    def distance(x, y):
        if in_root:
            return norm([a - b for a, b in zip(x, y)], p, epsilon)
        return norm([a - b + epsilon for a, b in zip(x, y)], p, mpf(0))

    def row(anchor, positive, negative):
        width = len(anchor)
        if any(mp.isnan(x) for x in (*anchor, *positive, *negative)):
            return mpf("nan"), [[mpf("nan")] * width] * 3
        zeros = [mpf(0)] * width
        near, by_near = distance(anchor, positive)
        far, by_far = distance(anchor, negative)
        # The far distance's derivatives by anchor, positive and negative.
        branch = by_far, zeros, [_minus(mpf(0), g) for g in by_far]
        if params["swap"]:
            swapped, by_swapped = distance(positive, negative)
            other = zeros, by_swapped, [_minus(mpf(0), g) for g in by_swapped]
            if _vanishes(swapped - far, far):
                branch = tuple([_hull(g, h) for g, h in zip(*pair)] for pair in zip(branch, other))
            elif swapped < far:
                far, branch = swapped, other
        gap = margin + near - far
        if _vanishes(gap, max(margin, near, far)):
            gap, hinge = mpf(0), (mpf(0), mpf(1))
        else:
            hinge = mpf(1) if gap > 0 else mpf(0)
        inner = [by_near, [_minus(mpf(0), g) for g in by_near], zeros]
        return max(gap, mpf(0)), [[_times(hinge, _minus(g, h)) for g, h in zip(*pair)] for pair in zip(inner, branch)]

    rows = [row(*each) for each in zip(*(inputs[name].rows() for name in names))]
    loss, factors = _reduce([value for value, _ in rows], params, upstream, mpf(len(rows)))
    gradients = {name: [] for name in names}
    for place, name in enumerate(names) if factors else ():
        gradients[name] = [_times(f, g) for f, (_, row) in zip(factors, rows) for g in row[place]]
    return loss, gradients


LOSSES = {"mse": mse, "mae": mae, "cross_entropy": cross_entropy, "bce_with_logits": bce_with_logits,
          "triplet_margin": triplet_margin}


# ------------------------------------------------------------------------------------------------ beside an answer


def ulp(y, format):
    """2^(max(e, emin) − p + 1) for 2^e ≤ |y| < 2^(e+1)."""
    bits, least, _ = FORMATS[format]
    exponent = least if y == 0 else max(mp.mag(y) - 1, least)
    return mpf(2) ** (exponent - bits + 1)


def rounded(y, format):
    """y in the format, ties to even; an infinity beyond its greatest number."""
    _, _, greatest = FORMATS[format]
    if not mp.isfinite(y):
        return y
    with mp.workprec(4 * START["f64"]):
        x = mp.nint(y / ulp(y, format)) * ulp(y, format)
        return x if abs(x) < mpf(2) ** (greatest + 1) else mp.sign(y) * mp.inf


def error_in_ulp(truth, got, format):
    """How far `got` (a float) is from the truth, in ulp of the truth; inf where only one of them is finite, or a NaN."""
    got = mpf(got)
    if truth is None or mp.isnan(got):
        return mpf(0) if truth is None and mp.isnan(got) else mp.inf
    low, high = _ends(truth)
    nearest = min(max(got, low), high)
    if not mp.isfinite(got):
        return mpf(0) if got == rounded(nearest, format) else mp.inf
    return abs(got - nearest) / ulp(nearest, format) if mp.isfinite(nearest) else mp.inf


def kind(truth, format):
    """The truth's kind, as DESIGN.md names them."""
    if truth is None:
        return "undefined"
    if isinstance(truth, tuple):
        return "set"
    return "infinite" if not mp.isfinite(truth) else "overflow" if not mp.isfinite(rounded(truth, format)) else "proved"


def _index(element, shape):
    index = []
    for extent in reversed(shape):
        element, place = divmod(element, extent)
        index.insert(0, place)
    return index


def _digits(truth, digits):
    if truth is None:
        return "nan"
    if isinstance(truth, tuple):
        return "[" + ", ".join(_digits(end, 17) for end in truth) + "]"
    return mp.nstr(truth, digits)


def main(arguments):
    if len(arguments) not in (1, 2):
        sys.exit(__doc__)
    with open(arguments[0], encoding="utf-8") as file:
        request = json.load(file)
    answers = {}
    if len(arguments) == 2:
        with open(arguments[1], encoding="utf-8") as file:
            answer = json.load(file)
        if "outputs" not in answer:
            sys.exit(f"the answer has no outputs: {answer}")
        answers = answer["outputs"]
    for name, truths in reference(request).items():
        answer = Tensor(answers[name]).values if name in answers else None
        scalar = [] if len(truths) == 1 else [len(truths)]
        shape = request["inputs"].get(name.removeprefix("grad."), answers.get(name, {"shape": scalar}))["shape"]
        if answer is not None and len(answer) != len(truths):
            print(f"{name}: the answer has {len(answer)} elements, the truth {len(truths)}")
            continue
        for element, truth in enumerate(truths):
            line = f"{name}{_index(element, shape)}  {kind(truth, request['format']):9}  {_digits(truth, 60)}"
            if answer is not None:
                got = answer[element]
                error = error_in_ulp(truth, got, request["format"])
                line += f"\n    got {float(got)!r}, {mp.nstr(error, 6)} ulp off"
            print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
