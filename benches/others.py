"""Arb (python-flint) and mpmath on the numbers of the bench: exp, sum, log and quotients at 128 bits.

Reads the workloads that `proving.rs` wrote, measures as it does, and prints the figures as JSON.
"""

import json
import statistics
import sys
import time

import flint
import gmpy2
import mpmath

BITS = 128
SAMPLES = 7
SAMPLE = 0.06


def nanoseconds(work):
    samples = []
    for _ in range(SAMPLES):
        start, spent, runs = time.perf_counter(), time.thread_time(), 0
        while runs == 0 or time.perf_counter() - start < SAMPLE:
            work()
            runs += 1
        samples.append((time.thread_time() - spent) / runs)
    return statistics.median(samples) * 1e9


class Arb:
    name = "python-flint"
    number = flint.arb

    exp = staticmethod(lambda x: x.exp())
    log = staticmethod(lambda x: x.log())
    log1p = staticmethod(lambda x: x.log1p())
    sqrt = staticmethod(lambda x: x.sqrt())


class Mpmath:
    name = "mpmath"
    number = mpmath.mpf

    exp = staticmethod(mpmath.exp)
    log = staticmethod(mpmath.log)
    log1p = staticmethod(mpmath.log1p)
    sqrt = staticmethod(mpmath.sqrt)


def floats(case, name):
    return case["inputs"][name]["values"]


def cross_entropy(case, lib):
    x = [lib.number(v) for v in floats(case, "logits")]
    target = case["inputs"]["target"]["values"][0]
    top = max(range(len(x)), key=floats(case, "logits").__getitem__)

    def work():
        e = [lib.exp(v - x[top]) for v in x]
        total = sum(e)
        loss = lib.log(total) + (x[top] - x[target])
        gradient = [v / total for v in e]
        gradient[target] -= 1
        return loss, gradient

    return work


def bce_with_logits(case, lib):
    z = [lib.number(v) for v in floats(case, "logits")]
    y = [lib.number(v) for v in floats(case, "target")]
    positive = [v > 0 for v in floats(case, "logits")]
    n = len(z)

    def work():
        terms, by_logits, by_target = [], [], []
        for z_i, y_i, above in zip(z, y, positive):
            e = lib.exp(-z_i if above else z_i)
            tail = lib.log1p(e)
            terms.append((z_i if above else 0) - z_i * y_i + tail)
            by_logits.append(((1 if above else e) / (1 + e) - y_i) / n)
            by_target.append(-z_i / n)
        return sum(terms) / n, by_logits, by_target

    return work


def kl_div(case, lib):
    x = [lib.number(v) for v in floats(case, "log_prediction")]
    t = [lib.number(v) for v in floats(case, "target")]
    rows = case["inputs"]["target"]["shape"][0]

    def work():
        gaps = [lib.log(t_i) - x_i for x_i, t_i in zip(x, t)]
        loss = sum(t_i * gap for t_i, gap in zip(t, gaps)) / rows
        return loss, [-t_i / rows for t_i in t], [(gap + 1) / rows for gap in gaps]

    return work


def gaussian_nll(case, lib):
    rows = [[lib.number(v) for v in floats(case, name)] for name in ("mean", "target", "variance")]
    n = len(rows[0])

    def work():
        terms, by_mean, by_target, by_variance = [], [], [], []
        for m, t, v in zip(*rows):
            r = m - t
            q = r / v
            terms.append(lib.log(v) + r * q)
            by_mean.append(q / n)
            by_target.append(-q / n)
            by_variance.append((1 / v - q * q) / (2 * n))
        return sum(terms) / (2 * n), by_mean, by_target, by_variance

    return work


def cosine_embedding(case, lib):
    targets = floats(case, "target")
    n, width = len(targets), case["inputs"]["x1"]["shape"][1]
    x, y = ([lib.number(v) for v in floats(case, name)] for name in ("x1", "x2"))

    def work():
        total, by_x, by_y = 0, [], []
        for row, target in enumerate(targets):
            a, b = (v[row * width : (row + 1) * width] for v in (x, y))
            dot = sum(p * q for p, q in zip(a, b))
            aa, bb = sum(p * p for p in a), sum(q * q for q in b)
            root = lib.sqrt(aa * bb)
            cosine = dot / root
            total += 1 - cosine if target == 1 else max(cosine, 0)
            sign = -1 if target == 1 else int(cosine > 0)
            by_x += [(q * aa - dot * p) * sign / (aa * root * n) for p, q in zip(a, b)]
            by_y += [(p * bb - dot * q) * sign / (bb * root * n) for p, q in zip(a, b)]
        return total / n, by_x, by_y

    return work


LOSSES = {
    "cross_entropy": cross_entropy,
    "bce_with_logits": bce_with_logits,
    "kl_div": kl_div,
    "gaussian_nll": gaussian_nll,
    "cosine_embedding": cosine_embedding,
}


def main(path):
    flint.ctx.prec = BITS
    mpmath.mp.prec = BITS
    assert mpmath.libmp.BACKEND == "gmpy", "mpmath must find gmpy2"
    figures = []
    with open(path, encoding="utf-8") as file:
        workloads = json.load(file)
    for workload in workloads:
        case = workload["case"]
        make = LOSSES.get(case["loss"])
        for lib in (Arb, Mpmath) if make else ():
            each = nanoseconds(make(case, lib)) / workload["units"]
            figures.append({"workload": workload["name"], "who": lib.name, "nanoseconds": each})
    versions = f"python-flint {flint.__version__}, mpmath {mpmath.__version__} with gmpy2 {gmpy2.version()}"
    json.dump({"figures": figures, "versions": versions}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
