"""The judge, with the words and levels of lossproof's own: outputs and stored truth in, verdict out. Exact, by fractions."""

import json
import math
from dataclasses import dataclass, field
from fractions import Fraction

LEVELS = ("correct", "faithful", "accurate", "stable", "backward", "sane", "broken")
FAULTS = ("spurious_nan", "missing_nan", "spurious_infinity", "missing_infinity", "spurious_zero", "wrong_sign",
          "inaccurate", "outside_subdifferential", "other_convention", "shape_mismatch")

# Bits of the significand and the exponent of the largest numbers.
_PRECISION = {"f64": 53, "f32": 24, "f16": 11, "bf16": 8}
_MAX_EXPONENT = {"f64": 1023, "f32": 127, "f16": 15, "bf16": 127}
# OpenCL's worst elementary function, in ulp: the one number of the levels that is not derived.
_ELEMENTARY_ULPS = 4
_NON_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def number(value):
    """The float of a golden number: a JSON number, "inf", "-inf" or "nan"."""
    if isinstance(value, str):
        return _NON_FINITE[value]
    return float(value)


def _fraction(value):
    """The exact number of a canonical truth: a float, [head, tail], or "m*2^e"."""
    if isinstance(value, list):
        return Fraction(value[0]) + Fraction(value[1])
    if isinstance(value, str):
        mantissa, exponent = value.split("*2^")
        # Beyond every format the exponent only says "huge"; 2^20000 is so, too, and no work.
        return int(mantissa) * _power(min(int(exponent), 20000))
    return Fraction(value)


def _power(exponent):
    return Fraction(2) ** exponent


def _binade(y):
    """floor(log2 |y|) of y other than 0."""
    numerator, denominator = abs(y.numerator), y.denominator
    guess = numerator.bit_length() - denominator.bit_length()
    return guess if abs(y) >= _power(guess) else guess - 1


def _ulp(y, format):
    least = 1 - _MAX_EXPONENT[format]
    binade = max(_binade(y), least) if y else least
    return _power(binade - _PRECISION[format] + 1)


def _largest(format):
    return (2 - _power(1 - _PRECISION[format])) * _power(_MAX_EXPONENT[format])


def _ratio(error, budget):
    if error <= 0:
        return 0.0
    if budget == 0:
        return math.inf
    return 0.0 if budget == math.inf else _float(error / Fraction(budget))


def _float(x):
    try:
        return float(x)
    except OverflowError:
        return math.inf


@dataclass
class Element:
    """One element's verdict. `fault` is None where nothing is wrong."""

    index: tuple
    got: float
    want: float
    budget: float
    level: str
    ulp: float
    ratio: float
    fault: str | None


@dataclass
class Verdict:
    """The verdict on one output of one case."""

    name: str
    demanded: str | None
    levels: dict = field(default_factory=dict)
    faults: dict = field(default_factory=dict)
    unbounded: int = 0
    worst: Element | None = None
    convention: dict | None = None

    @property
    def level(self):
        """The worst level of its elements; None where there is none."""
        return max(self.levels, key=LEVELS.index, default=None)

    @property
    def holds(self):
        """Whether the output is as good as demanded."""
        if self.demanded is None:
            return True
        if "shape_mismatch" in self.faults:
            return False
        return self.level is None or LEVELS.index(self.level) <= LEVELS.index(self.demanded)

    def _add(self, element):
        self.levels[element.level] = self.levels.get(element.level, 0) + 1
        if element.fault:
            self.faults[element.fault] = self.faults.get(element.fault, 0) + 1
        key = lambda e: (LEVELS.index(e.level), e.ratio, e.ulp)  # noqa: E731
        if self.worst is None or key(element) > key(self.worst):
            self.worst = element

    def __str__(self):
        fault = max(self.faults, key=self.faults.get, default="inaccurate")
        text = f"{self.name}: {fault}"
        if self.convention is not None:
            return f"{text}: it follows another known choice; where the case has {json.dumps(self.convention)} it would hold"
        if self.worst is not None and fault != "shape_mismatch":
            worst = self.worst
            text += f": got {worst.got!r} at {list(worst.index)}, want {worst.want!r}"
            if math.isfinite(worst.got) and math.isfinite(worst.want):
                text += f", {worst.ulp:.2g} ulp off; the budget is {worst.budget:.2g}"
        return f"{text} ({self.level}, demanded is {self.demanded})"


def explain(case, given, verdicts, demanded):
    """Replaces the errors of failing outputs by the one fault that explains them all: another known choice, under which
    every output would hold, those that come of an overflow on the way among them."""
    for params, outputs in case.conventions:
        others = [output(case, name, values, demanded, outputs[name], exempt=False) for name, values in given.items()]
        if all(other.holds for other in others):
            for verdict in verdicts.values():
                if not verdict.holds:
                    verdict.convention = params
                    verdict.faults = {"other_convention": max(sum(verdict.faults.values()), 1)}
            return


def output(case, name, values, demanded, truth=None, exempt=True):
    """Judges one output of a golden case, by its truth or by another one. With `demanded` None only what is broken has a
    fault, and all holds; without `exempt` what comes of an overflow on the way is judged like the rest."""
    truth = truth or case.outputs[name]
    got, shape = case.array(values)
    verdict = Verdict(name, demanded)
    if shape != truth.shape:
        count = max(len(truth.values), 1)
        verdict.levels["broken"] = verdict.faults["shape_mismatch"] = count
        return verdict
    demand = demanded or "broken"
    # Long outputs repeat a few elements: those of a run are one object.
    known = {}
    for at, x in enumerate(got):
        key = (id(truth.canonical[at]), truth.kinds[at], truth.values[at], truth.budget[at], truth.backward[at], x)
        if key not in known:
            known[key] = _element(case, name, truth, at, x, demand)
        judged = known[key]
        # Nothing is demanded of what comes of an overflow on the way: no finite number, or a gradient's quotient by
        # infinity. Any other answer that misses the demand did not come of it.
        if exempt and truth.overflows_on_the_way[at]:
            comes_of_overflow = not math.isfinite(x) or (x == 0 and name != "loss")
            if judged is None or judged.fault is None or comes_of_overflow:
                continue
        if judged is None:
            verdict.unbounded += 1
        else:
            verdict._add(judged)
    return verdict


def _element(case, name, truth, at, got, demanded):
    kind, want = truth.kinds[at], truth.values[at]
    index, rest = [], at
    for extent in reversed(truth.shape):
        index.append(rest % extent)
        rest //= extent
    judge = _Judge(case, name, truth, at, got, demanded)
    found = judge.judge(kind, want)
    if found is None:
        return None
    level, ulp, ratio, fault = found
    enough = level != "broken" and LEVELS.index(level) <= LEVELS.index(demanded)
    return Element(tuple(reversed(index)), got, want, truth.budget[at], level, ulp, ratio, None if enough else fault)


class _Judge:
    def __init__(self, case, name, truth, at, got, demanded):
        self.format, self.compute = case.format, case.compute
        self.nonnegative = case.nonnegative and name == "loss"
        self.budget, self.backward = truth.budget[at], truth.backward[at]
        if math.isnan(self.budget):
            self.budget = math.inf
        if math.isnan(self.backward):
            self.backward = math.inf
        self.longest_sum, self.canonical, self.got = truth.longest_sum, truth.canonical[at], got

    def judge(self, kind, want):
        """Level, error in ulp, error as a part of the budget, fault; None where it would need a budget that is infinite."""
        got, correct = self.got, ("correct", 0.0, 0.0, None)
        broken = lambda fault: ("broken", math.inf, math.inf, fault)  # noqa: E731
        if kind == "undefined":
            return correct if math.isnan(got) else broken("missing_nan")
        if math.isnan(got):
            return broken("spurious_nan")
        if kind in ("infinite", "overflow"):
            if got == want:
                return correct
            if math.isinf(got):
                return broken("wrong_sign")
            if kind == "infinite":
                return broken("missing_infinity")
            return self._finite_for_overflow(_fraction(self.canonical)) or broken("missing_infinity")
        if kind == "set":
            low, high = _fraction(self.canonical["low"]), _fraction(self.canonical["high"])
            if math.isfinite(got) and low <= Fraction(got) <= high:
                return correct
            y, in_set = (low if got < low else high), True
        else:
            y, in_set = _fraction(self.canonical), False
        if math.isinf(got):
            return self._infinite_for_finite(y) or broken("spurious_infinity")
        return self._finite(y, in_set)

    def _error(self, y):
        return abs(Fraction(self.got) - y)

    def _ulps(self, y, error):
        return _float(error / _ulp(y, self.format))

    def _within(self, error, bound):
        return math.isfinite(bound) and error <= Fraction(bound)

    def _accurate(self, y):
        log2 = max(self.longest_sum - 1, 0).bit_length()
        bound = (_ELEMENTARY_ULPS + log2) * _ulp(y, self.compute)
        return bound if self.format == self.compute else bound + _ulp(y, self.format) / 2

    def _infinite_for_finite(self, y):
        """Right where y, give or take the budget, rounds to infinity."""
        largest = _largest(self.format)
        threshold = largest + _power(_MAX_EXPONENT[self.format] - _PRECISION[self.format])
        missing = max(threshold - abs(y), Fraction(0))
        if (y < 0) != (self.got < 0):
            return None
        if abs(y) > largest:
            level = "faithful"
        elif self._within(missing, self.budget):
            level = "stable"
        elif self._within(missing, self.backward):
            level = "backward"
        else:
            return None
        return level, self._ulps(y, missing), _ratio(missing, self.budget), "spurious_infinity"

    def _finite_for_overflow(self, y):
        error = self._error(y)
        if self._within(error, self.budget):
            level = "stable"
            if abs(self.got) == _float(_largest(self.format)):
                level = "faithful"
            elif error <= self._accurate(y):
                level = "accurate"
        elif self._within(error, self.backward):
            level = "backward"
        else:
            return None
        return level, self._ulps(y, error), _ratio(error, self.budget), "missing_infinity"

    def _finite(self, y, in_set):
        got, error = self.got, self._error(y)
        opposite = (got < 0 < y) or (y < 0 < got)
        forbidden = self.nonnegative and got < 0
        rounded = _round(y, self.format)
        normal = abs(rounded) >= _power(1 - _MAX_EXPONENT[self.format])
        beyond = self.budget != math.inf and error > Fraction(self.budget)
        if Fraction(got) == rounded:
            level = "correct"
        elif error < _ulp(y, self.format) and _is_neighbour(Fraction(got), y, rounded, self.format):
            level = "faithful"
        elif error <= self._accurate(y):
            level = "accurate"
        elif self.budget == math.inf:
            return None
        elif not beyond:
            level = "stable"
        elif forbidden:
            level = "broken"
        elif self._within(error, self.backward):
            level = "backward"
        else:
            level = "broken" if opposite else "sane"
        if in_set and beyond:
            fault = "outside_subdifferential"
        elif (opposite or forbidden) and beyond:
            fault = "wrong_sign"
        elif got == 0 and normal and beyond:
            fault = "spurious_zero"
        else:
            fault = "inaccurate"
        return level, self._ulps(y, error), _ratio(error, self.budget), fault


def _round(y, format):
    """The nearest number of the format, ties to even, whatever the format's range."""
    if y == 0:
        return Fraction(0)
    quantum = _ulp(y, format)
    return round(y / quantum) * quantum


def _is_neighbour(got, y, rounded, format):
    """Whether got, which is not y rounded, is the number on the other side of y."""
    if y == rounded:
        return False
    quantum = _ulp(y, format)
    # In y's own binade both neighbours are multiples of its ulp, the upper end of the binade among them.
    low = (y / quantum).__floor__() * quantum
    return got in (low, low + quantum)
