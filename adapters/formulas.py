"""The losses of CATALOGUE.md with their gradients, in mpmath: what `confirm.py` evaluates.

Each is its textbook formula and the closed form of its derivative, written from the catalogue and the literature alone; the
digits make up for forms that are not stable. `test_confirm.py` holds every gradient against differences. A number at
a kink is a pair (lo, hi), the interval of accepted derivatives; NaN stands for what has no value.
"""

from mpmath import mp, mpf

REDUCTION = {"reduction": "mean", "empty_mean": "nan"}
REGRESSION = {**REDUCTION, "mean_over": "count"}
DEFAULTS = {
    "mse": REGRESSION,
    "mae": REGRESSION,
    "huber": {**REGRESSION, "delta": 1.0},
    "smooth_l1": {**REGRESSION, "beta": 1.0},
    "log_cosh": REGRESSION,
    "gaussian_nll": {**REDUCTION, "full": False, "variance_floor": None, "floor_gradient": "straight_through"},
    "cross_entropy": {**REDUCTION, "ignore_index": -100, "label_smoothing": 0.0, "smoothing_form": "over_k"},
    "cross_entropy_soft": REDUCTION,
    "nll_loss": {**REDUCTION, "ignore_index": -100},
    "bce": {**REDUCTION, "log_clamp": None, "log_clamp_gradient": "cut", "probability_clip": None},
    "bce_with_logits": REDUCTION,
    "focal_sigmoid": {**REDUCTION, "alpha": 0.25, "gamma": 2.0, "soft_target": None},
    "hinge": REDUCTION,
    "kl_div": {**REDUCTION, "reduction": "batchmean", "log_target": False},
    "cosine_embedding": {**REDUCTION, "margin": 0.0, "epsilon": 0.0},
    "triplet_margin": {**REDUCTION, "margin": 1.0, "p": 2.0, "epsilon": 0.0, "epsilon_placement": "difference",
                       "swap": False},
}


# ------------------------------------------------------------------------------------------------ intervals


def ends(x):
    return x if isinstance(x, tuple) else (x, x)


def _times(x, y):
    """The hull of the products. An exact 0 makes 0 of any interval, and NaN of an infinity, as in IEEE 754."""
    if not isinstance(x, tuple) and not isinstance(y, tuple):
        return x * y
    products = [a * b for a in ends(x) for b in ends(y)]
    return min(products), max(products)


def _minus(x, y):
    if not isinstance(x, tuple) and not isinstance(y, tuple):
        return x - y
    (a, b), (c, d) = ends(x), ends(y)
    return a - d, b - c


def _hull(x, y):
    (a, b), (c, d) = ends(x), ends(y)
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
    if reduction in ("mean", "batchmean"):
        if divisor == 0:
            if params["empty_mean"] == "zero":
                return [mpf(0)], None
            return [mpf("nan")], [mpf("nan")] * len(terms)
        total, factor = total / divisor, factor / divisor
    return [total], [factor] * len(terms)


def _elementwise(inputs, params, upstream, term, names, by=None, divisor=None):
    """Losses of single elements: `term(x, y, element)` gives the value and the derivatives `by` x and y, or by others."""
    x, y = (inputs[name].values for name in names)
    weight = inputs["weight"].values if "weight" in inputs else [mpf(1)] * len(x)
    terms = [term(x[i], y[i], i) for i in range(len(x))]
    if divisor is None:
        divisor = sum(weight, mpf(0)) if params.get("mean_over") == "weight" else mpf(len(x))
    loss, factors = _reduce([w * term[0] for w, term in zip(weight, terms)], params, upstream, divisor)
    by = by or names
    if factors is None:
        return loss, {name: [mpf(0)] * len(x) for name in by}
    gradients = {}
    for place, name in enumerate(by, start=1):
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


def huber(inputs, params, upstream):
    """r²/2 up to |r| = δ, beyond it δ(|r| − δ/2); the derivative is r, held between −δ and δ."""
    delta = mpf(params["delta"])

    def term(x, y, _):
        r = x - y
        value = r * r / 2 if abs(r) <= delta else delta * (abs(r) - delta / 2)
        slope = max(-delta, min(r, delta)) if not mp.isnan(r) else r
        return value, slope, -slope

    return _elementwise(inputs, params, upstream, term, ("prediction", "target"))


def smooth_l1(inputs, params, upstream):
    """r²/(2β) below |r| = β, from there on |r| − β/2; at β = 0 it is mae."""
    beta = mpf(params["beta"])
    if beta == 0:
        return mae(inputs, params, upstream)

    def term(x, y, _):
        r = x - y
        inside = abs(r) < beta
        slope = r / beta if inside else mp.sign(r)
        return r * r / (2 * beta) if inside else abs(r) - beta / 2, slope, -slope

    return _elementwise(inputs, params, upstream, term, ("prediction", "target"))


def log_cosh(inputs, params, upstream):
    """log((e^r + e^−r)/2), with e^|r| taken out; the derivative is tanh r = (1 − e^−2r)/(1 + e^−2r)."""

    def term(x, y, _):
        r = x - y
        e = mp.exp(-2 * abs(r))
        slope = mp.sign(r) * -mp.expm1(-2 * abs(r)) / (1 + e)
        return abs(r) + mp.log1p(e) - mp.ln2, slope, -slope

    return _elementwise(inputs, params, upstream, term, ("prediction", "target"))


def hinge(inputs, params, upstream):
    """max(0, 1 − y·x); the derivative −y below the margin, from 0 to −y at it."""

    def term(x, y, _):
        gap = 1 - y * x
        if mp.isnan(gap):
            return gap, gap
        return max(gap, mpf(0)), -y if gap > 0 else mpf(0) if gap < 0 else _hull(mpf(0), -y)

    return _elementwise(inputs, params, upstream, term, ("score", "target"), by=("score",))


def gaussian_nll(inputs, params, upstream):
    """½(log v + r²/v), with `full` ½·log 2π more; v not below the floor, past which the gradient goes or stops."""
    floor, full = params["variance_floor"], params["full"]
    variance = inputs["variance"].values

    def term(x, y, element):
        given, r = variance[element], x - y
        v = given if floor is None else max(given, mpf(floor)) if not mp.isnan(given) else given
        value = (mp.log(v) + r * r / v + (mp.log(2 * mp.pi) if full else 0)) / 2
        by_v = (1 / v - (r / v) ** 2) / 2
        if floor is not None and params["floor_gradient"] == "cut":
            passes = mpf(1) if given > floor else mpf(0) if given < floor else (mpf(0), mpf(1))
            by_v = _times(passes, by_v)
        return value, r / v, -r / v, by_v

    return _elementwise(inputs, params, upstream, term, ("mean", "target"), by=("mean", "target", "variance"))


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


# 1e-12 as an f32: PyTorch's backward pass of bce divides by no less.
PYTORCH_EPSILON = mpf(9.999999960041972e-13)


def bce(inputs, params, upstream):
    """−y·log p − (1 − y)·log(1 − p), 0·log 0 = 0; p held within the clip, the logarithms not below the clamp."""
    clamp, clip = params["log_clamp"], params["probability_clip"]
    pytorch = clamp is not None and params["log_clamp_gradient"] == "pytorch"

    def logarithm(p):
        """The logarithm, and its derivative, with the clamp."""
        plain = mp.log(p) if p != 0 else -mp.inf
        if clamp is None or mp.isnan(plain) or plain > clamp:
            return plain, 1 / p if p != 0 else mp.inf
        return mpf(clamp), (mpf(0), 1 / p) if plain == clamp else mpf(0)

    def product(weight, x):
        return mpf(0) if weight == 0 and not mp.isnan(ends(x)[0]) else _times(weight, x)

    def term(p, y, _):
        if mp.isnan(p) or mp.isnan(y):
            nan = mpf("nan")
            return nan, nan, nan if mp.isnan(p) else logarithm(1 - p)[0] - logarithm(p)[0]
        passes = mpf(1)
        if clip is not None:
            low, high = mpf(clip), 1 - mpf(clip)
            passes = mpf(1) if low < p < high else (mpf(0), mpf(1)) if p in (low, high) else mpf(0)
            p = max(low, min(p, high))
        (log_p, slope_p), (log_q, slope_q) = logarithm(p), logarithm(1 - p)
        value = -product(y, log_p) - product(1 - y, log_q)
        by_p = _minus(product(1 - y, slope_q), product(y, slope_p))
        by_y = log_q - log_p
        if pytorch:
            by_p = (p - y) / max(p * (1 - p), PYTORCH_EPSILON)
            by_y = (mp.log(1 - p) if p != 1 else -mp.inf) - (mp.log(p) if p != 0 else -mp.inf)
        return value, product(passes, by_p) if passes == 0 else _times(passes, by_p), by_y

    return _elementwise(inputs, params, upstream, term, ("probability", "target"))


def focal_sigmoid(inputs, params, upstream):
    """α_t·(1 − p_t)^γ·bce(x, y) with p = σ(x); what p_t is for y between 0 and 1 says soft_target."""
    alpha, gamma, soft = params["alpha"], mpf(params["gamma"]), params["soft_target"] or "interpolate_p"

    def term(x, y, _):
        if mp.isnan(x) or mp.isnan(y):
            return mpf("nan"), mpf("nan")
        p, q = sigmoid(x), sigmoid(-x)
        of_one, of_zero = (mpf(1), mpf(1)) if alpha is None else (mpf(alpha), 1 - mpf(alpha))
        if soft == "linear":
            # Each class's own focal loss: q^γ·softplus(−x) and p^γ·softplus(x).
            one, by_one = q**gamma * softplus(-x), -gamma * q**gamma * p * softplus(-x) - q ** (gamma + 1)
            zero, by_zero = p**gamma * softplus(x), gamma * p**gamma * q * softplus(x) + p ** (gamma + 1)
            a, b = y * of_one, (1 - y) * of_zero
            return a * one + b * zero, a * by_one + b * by_zero
        balance = of_one * y + of_zero * (1 - y)
        plain, by_plain = y * softplus(-x) + (1 - y) * softplus(x), (1 - y) * p - y * q
        # The focal weight is miss^γ.
        if soft == "interpolate_p":
            miss, by_miss = y * q + (1 - y) * p, (1 - 2 * y) * p * q
        elif soft == "exp_bce":
            miss, by_miss = -mp.expm1(-plain), mp.exp(-plain) * by_plain
        else:  # log_weight: σ(−(2y − 1)x)
            sign = 2 * y - 1
            miss = sigmoid(-sign * x)
            by_miss = -sign * miss * sigmoid(sign * x)
        weight = miss**gamma
        by_weight = gamma * weight / miss * by_miss if gamma != 0 else mpf(0)
        return balance * weight * plain, balance * (by_weight * plain + weight * by_plain)

    return _elementwise(inputs, params, upstream, term, ("logits", "target"), by=("logits",))


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

    def row(x, target):
        a = [weight[c] * (other if c != target else 1 - epsilon + target_extra) for c in range(classes)]
        value, by_x, _ = _soft_row(x, a)
        return value, by_x

    loss, gradient = _classified(logits, targets, weight, params, upstream, row)
    return loss, {"logits": gradient}


def _soft_row(x, a):
    """Σ_c a_c·(LSE(x) − x_c), its derivative (Σa)·softmax(x) − a by x, and LSE(x) − x, its derivative by a."""
    classes = len(x)
    top = max(range(classes), key=lambda c: x[c])
    if any(mp.isnan(xc) for xc in x) or x[top] == -mp.inf:
        nan = [mpf("nan")] * classes
        return nan[0], nan, nan
    e = [mp.exp(xc - x[top]) for xc in x]
    # Nothing below cancels where the mathematics does not: Σ e without its largest term, which is 1, and so on.
    tail = mp.fsum(e[:top] + e[top + 1:])
    log_sum, total, all_a = mp.log1p(tail), 1 + tail, mp.fsum(a)
    costs = [x[top] - x[c] + log_sum for c in range(classes)]
    value = mp.fsum(a[c] * costs[c] for c in range(classes) if a[c] != 0)
    others = [tail if c == top else total - e[c] for c in range(classes)]
    # all_a·softmax_c − a_c, as (all_a − a_c)·softmax_c − a_c·(1 − softmax_c)
    return value, [((all_a - a[c]) * e[c] - a[c] * others[c]) / total for c in range(classes)], costs


def _classified(rows, targets, weight, params, upstream, row):
    """Losses of rows with a class each, and the gradient by the rows: `row(x, target)` gives value and derivatives."""
    kept = [target != params["ignore_index"] for target in targets]
    terms = [row(x, target) if keep else (mpf(0), [mpf(0)] * len(x)) for x, target, keep in zip(rows, targets, kept)]
    divisor = sum((weight[target] for target, keep in zip(targets, kept) if keep), mpf(0))
    loss, factors = _reduce([value for value, _ in terms], params, upstream, divisor)
    gradient = []
    for (_, derivatives), factor, keep in zip(terms, factors or [mpf(0)] * len(terms), kept):
        # An ignored row adds exactly 0 even to a mean over nothing, and so does the constant 0.
        stays = keep and factors is not None
        gradient += [factor * d for d in derivatives] if stays else [mpf(0)] * len(derivatives)
    return loss, gradient


def cross_entropy_soft(inputs, params, upstream):
    """Σ_c w_c·q_c·(LSE(x) − x_c); the mean is over the rows, also with weights."""
    logits, targets = inputs["logits"].rows(), inputs["target"].rows()
    classes = inputs["logits"].shape[1]
    weight = inputs["class_weight"].values if "class_weight" in inputs else [mpf(1)] * classes

    def row(x, q):
        value, by_x, costs = _soft_row(x, [w * qc for w, qc in zip(weight, q)])
        return value, by_x, [w * cost for w, cost in zip(weight, costs)]

    return _rows([row(*each) for each in zip(logits, targets)], classes, ("logits", "target"), params, upstream)


def _rows(rows, width, names, params, upstream):
    """Reduces rows of (value, derivatives by each name)."""
    loss, factors = _reduce([row[0] for row in rows], params, upstream, mpf(len(rows)))
    if factors is None:
        return loss, {name: [mpf(0)] * width * len(rows) for name in names}
    gradients = {}
    for place, name in enumerate(names, start=1):
        gradients[name] = [_times(f, g) for f, row in zip(factors, rows) for g in row[place]]
    return loss, gradients


def nll_loss(inputs, params, upstream):
    """−w_t·l_t with the log-probabilities l as they are given."""
    classes = inputs["log_probs"].shape[1]
    weight = inputs["class_weight"].values if "class_weight" in inputs else [mpf(1)] * classes

    def row(log_probs, target):
        return -weight[target] * log_probs[target], [-weight[c] if c == target else mpf(0) for c in range(classes)]

    rows, targets = inputs["log_probs"].rows(), inputs["target"].values
    loss, gradient = _classified(rows, targets, weight, params, upstream, row)
    return loss, {"log_probs": gradient}


def kl_div(inputs, params, upstream):
    """y·(log y − l), 0 at y = 0; with log_target t = log y: e^t·(t − l)."""
    names = ("log_prediction", "target")

    def term(log_prediction, y, _):
        if params["log_target"]:
            if y == -mp.inf:  # no mass: nothing, also beside log_prediction −∞, where the limit of the derivative is none
                nothing = log_prediction * 0 if mp.isnan(log_prediction) else mpf(0)
                return nothing, mpf(0), nothing
            return mp.exp(y) * (y - log_prediction), -mp.exp(y), mp.exp(y) * (y - log_prediction + 1)
        if y == 0:
            nothing = log_prediction * 0 if mp.isnan(log_prediction) else mpf(0)
            return nothing, nothing, -mp.inf if mp.isfinite(log_prediction) else mpf("nan")
        return y * (mp.log(y) - log_prediction), -y, mp.log(y) + 1 - log_prediction

    rows = mpf(inputs["target"].shape[0])
    over = rows if params["reduction"] == "batchmean" else None
    return _elementwise(inputs, params, upstream, term, names, divisor=over)


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

    rows = [(value, *gradients) for value, gradients in map(row, *(inputs[name].rows() for name in names))]
    return _rows(rows, inputs["anchor"].shape[1], names, params, upstream)


def cosine_embedding(inputs, params, upstream):
    """1 − cos for y = 1, max(0, cos − margin) for y = −1; cos = x₁·x₂/√((|x₁|² + ε)(|x₂|² + ε))."""
    margin, epsilon = mpf(params["margin"]), mpf(params["epsilon"])

    def row(x1, x2, y):
        square1, square2 = (mp.fsum(a * a for a in x) + epsilon for x in (x1, x2))
        product = mp.fsum(a * b for a, b in zip(x1, x2))
        if square1 == 0 or square2 == 0 or mp.isnan(product + y):
            nan = [mpf("nan")] * len(x1)
            return nan[0], nan, nan
        length = mp.sqrt(square1 * square2)
        cosine = product / length
        by = [[b / length - cosine * a / square for a, b in zip(*pair)]
              for pair, square in (((x1, x2), square1), ((x2, x1), square2))]
        gap = cosine - margin
        if y == 1:
            value, outer = 1 - cosine, mpf(-1)
        elif _vanishes(gap, mpf(1)):
            value, outer = mpf(0), (mpf(0), mpf(1))
        else:
            value, outer = max(gap, mpf(0)), mpf(1) if gap > 0 else mpf(0)
        return value, *([_times(outer, g) for g in gradient] for gradient in by)

    rows = [row(*each) for each in zip(inputs["x1"].rows(), inputs["x2"].rows(), inputs["target"].values)]
    return _rows(rows, inputs["x1"].shape[1], ("x1", "x2"), params, upstream)


LOSSES = {function.__name__: function for function in (
    mse, mae, huber, smooth_l1, log_cosh, gaussian_nll, cross_entropy, cross_entropy_soft, nll_loss, bce,
    bce_with_logits, focal_sigmoid, hinge, kl_div, cosine_embedding, triplet_margin)}
