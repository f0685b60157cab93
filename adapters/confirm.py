"""A second opinion on a finding, by hand: the true loss and gradients of a protocol request, in mpmath.

`python3 adapters/confirm.py request.json [answer.json]` prints the true values, beside them the answer's with their
errors in ulp. The formulas are CATALOGUE.md's (`formulas.py`) and share no code with lossproof; digits are taken as true
when two precisions agree in 60 of them, which is evidence and not proof. Needs mpmath. `reference` is importable.
"""

import base64
import json
import struct
import sys

from mpmath import mp, mpf

from formulas import DEFAULTS, LOSSES, ends

# What two precisions must agree in: 60 decimal digits.
AGREEMENT = mpf(2) ** -200
# The precision to start from, in bits: differences of the format's numbers are exact in it.
START = {"f64": 2304, "f32": 384, "bf16": 384, "f16": 256}
# Bits of the significand, exponent of the least normal number, exponent of the greatest.
FORMATS = {"f64": (53, -1022, 1023), "f32": (24, -126, 127), "f16": (11, -14, 15), "bf16": (8, -126, 127)}

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
        return tuple(_settled(a, b) for a, b in zip(ends(x), ends(y)))
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
    low, high = ends(truth)
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
