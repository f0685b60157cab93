"""lossproof against mpmath, both ways: over the regimes' own cases, `formulas.py` and the oracle have to agree.

`python3 adapters/agree.py [--lossproof PROGRAM] [--cases N] [--seed N] [--loss A,B]`, status 1 where they do not:

- `lossproof check --require correct` grades the formulas, rounded once, as an adapter (`agree.py adapter FILE`), which
  keeps every request in FILE: lossproof finds no fault in mpmath;
- `lossproof serve` answers the same requests with proved bounds; each holds mpmath's value and has 40 digits: mpmath
  finds no fault in lossproof.
"""

import argparse
import collections
import json
import os
import shlex
import subprocess
import sys
import tempfile

from mpmath import mp, mpf

import confirm

FORMATS = ["f64", "f32", "f16", "bf16"]
# What the decimals of a bound are read with; 45 digits need 150 bits.
READ_BITS = 2304
# A bound of 40 significant digits is no wider than one unit in the last of them.
WIDTH = mpf(10) ** -39
# Of a number below MPFR's range, 2^-2^30, lossproof knows the sign and that it is below: it has no digits there.
LEAST = mpf(10) ** -323_000_000
# Lines that mpmath and lossproof keep of a disagreement, and how many are shown.
SHOWN, LONGEST = 20, 800


# ------------------------------------------------------------------------------------------------ the adapter


def hello(program):
    """Everything that lossproof's own hello offers of the losses that have a formula."""
    run = subprocess.run([program, "serve"], input='{"lossproof":1}\n', capture_output=True, text=True, check=True)
    offered = json.loads(run.stdout)["supports"]
    return {"lossproof": 1, "name": "mpmath", "version": "formulas.py",
            "supports": [entry for entry in offered if entry["loss"] in confirm.LOSSES]}


# Losses whose true values are never ties of a format but where they are as near to one as no precision shows: a saturated
# focal loss lies e^-z beside a multiple of z. Their side of such a tie is lossproof's alone to prove.
TRANSCENDENTAL = {"log_cosh", "gaussian_nll", "cross_entropy", "cross_entropy_soft", "bce", "bce_with_logits",
                  "focal_sigmoid", "kl_div"}


def is_tie(truth, format):
    """Whether mpmath's own error decides how a true value is rounded."""
    if truth is None:
        return False
    with mp.workprec(READ_BITS):
        nudges = (1 - confirm.AGREEMENT, 1 + confirm.AGREEMENT)
        return any(len({confirm.rounded(end * nudge, format) for nudge in nudges}) > 1 for end in confirm.ends(truth))


def as_kernel(truth, format):
    """What a correct kernel gives: the rounded truth, of an interval the element nearest to 0, NaN where there is none."""
    if truth is None:
        return "nan"
    low, high = confirm.ends(truth)
    y = float(confirm.rounded(min(max(mpf(0), low), high), format))
    return y if abs(y) != float("inf") else "inf" if y > 0 else "-inf"


def answer(request):
    """The answer line to a request."""
    format, outputs = request["format"], {}
    for name, truths in confirm.reference(request).items():
        if request["loss"] in TRANSCENDENTAL and any(is_tie(truth, format) for truth in truths):
            return {"id": request["id"], "unsupported": f"{name} is beside a tie of {format}"}
        shape = request["upstream"]["shape"] if name == "loss" else request["inputs"][name[len("grad."):]]["shape"]
        outputs[name] = {"dtype": format, "shape": shape, "values": [as_kernel(truth, format) for truth in truths]}
    return {"id": request["id"], "outputs": outputs}


def adapter(program, path):
    """Answers the protocol on standard input and output, and keeps the requests."""
    with open(path, "a", encoding="utf-8") as kept:
        for line in sys.stdin:
            request = json.loads(line)
            if "loss" not in request:
                print(json.dumps(hello(program)), flush=True)
                continue
            try:
                reply = answer(request)
                del request["id"]
                print(json.dumps(request), file=kept)
            except ArithmeticError as error:
                reply = {"id": request["id"], "error": str(error)}
            print(json.dumps(reply), flush=True)


# ------------------------------------------------------------------------------------------------ the referee


def grade(program, options, path):
    """lossproof grades the formulas; whether it finds them correct."""
    command = shlex.join([sys.executable, os.path.abspath(__file__), "--lossproof", program, "adapter", path])
    check = [program, "check", "--adapter", command, "--require", "correct", "--cases", str(options.cases),
             "--seed", str(options.seed), "--long", "48", "--timeout", "120"]
    if options.loss:
        check += ["--loss", options.loss]
    return subprocess.run(check).returncode == 0


def bounds_of(program, requests):
    """The answers of `lossproof serve`, in the requests' order."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as lines:
        for place, request in enumerate(requests):
            lines.write(json.dumps({"id": place, **request, "truth": True}) + "\n")
        lines.seek(0)
        run = subprocess.run([program, "serve"], stdin=lines, capture_output=True, text=True, check=True)
    answers = {answer["id"]: answer for answer in map(json.loads, run.stdout.splitlines())}
    return [answers.get(place, {"error": "no answer"}) for place in range(len(requests))]


def contains(truth, low, high, kind, format):
    """Whether the decimal bounds hold the true value, are of its kind, and have 40 digits; what is wrong otherwise."""
    if truth is None or kind == "undefined":
        return "" if truth is None and (low, high, kind) == (None, None, "undefined") else "one of them has no value"
    if low is None or high is None:
        return "no bounds"
    (true_low, true_high), low, high = confirm.ends(truth), mpf(low), mpf(high)
    if kind != confirm.kind(truth, format):
        return f"mpmath's kind is {confirm.kind(truth, format)}"
    if isinstance(truth, tuple):
        # Of a kink the outer bounds of both ends: as near to mpmath's as two such numbers can be.
        ends = (low <= true_low + slack(true_low), true_low - slack(true_low) <= low + WIDTH * abs(low),
                high >= true_high - slack(true_high), true_high + slack(true_high) >= high - WIDTH * abs(high))
        return "" if all(ends) else "another interval"
    if not mp.isfinite(truth):
        return "" if low == truth == high else "another infinity"
    if not low - slack(truth) <= truth <= high + slack(truth):
        return "mpmath's value is outside"
    if max(-low, high) <= LEAST and truth != 0:
        return "" if low * high == 0 and low != high else "a number below MPFR's range without its sign"
    return "" if high - low <= WIDTH * max(abs(low), abs(high)) else "fewer than 40 digits"


def slack(y):
    """How far mpmath's value may itself be off."""
    return confirm.AGREEMENT * abs(y)


def compare(requests, answers):
    """Counts of compared elements by loss, the disagreements, and what the oracle says that it does not know."""
    counts, wrong, undecided = collections.Counter(), [], []
    for request, answer in zip(requests, answers):
        if "error" in answer:
            (undecided if " is undecided at " in answer["error"] else wrong).append((request, answer["error"]))
            continue
        format = request["format"]
        for name, truths in confirm.reference(request).items():
            proved = answer["truth"][name]
            if len(truths) != len(proved["kind"]):
                wrong.append((request, f"{name}: {len(proved['kind'])} elements, not {len(truths)}"))
                continue
            for place, truth in enumerate(truths):
                low, high, kind = (proved[key][place] for key in ("lo", "hi", "kind"))
                counts[request["loss"], format] += 1
                with mp.workprec(READ_BITS):
                    problem = contains(truth, low, high, kind, format)
                if problem:
                    told = "none" if truth is None else ", ".join(mp.nstr(end, 50) for end in confirm.ends(truth))
                    wrong.append((request, f"{name}[{place}]: {problem}: {kind} [{low}, {high}], mpmath {told}"))
    return counts, wrong, undecided


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lossproof", default="target/release/lossproof", metavar="PROGRAM")
    parser.add_argument("--cases", type=int, default=6, metavar="N", help="per loss, format and regime")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--loss", metavar="A,B", help="only these losses")
    parser.add_argument("adapter", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.adapter:
        return adapter(options.lossproof, options.adapter[1])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "requests")
        graded = grade(options.lossproof, options, path)
        with open(path, encoding="utf-8") as file:
            lines = sorted(set(file))
    requests = [json.loads(line) for line in lines]
    counts, wrong, undecided = compare(requests, bounds_of(options.lossproof, requests))
    for request, problem in (wrong + undecided)[:SHOWN]:
        print(f"{request['loss']} {request['format']} {problem}\n    {json.dumps(request)[:LONGEST]}")
    cases = collections.Counter(request["loss"] for request in requests)
    for loss in cases:
        elements = ", ".join(f"{format} {counts[loss, format]}" for format in FORMATS if counts[loss, format])
        print(f"{loss:20} {cases[loss]:6} cases, elements: {elements}")
    print(f"{len(requests)} cases of {len(cases)} losses, {sum(counts.values())} elements, {len(wrong)} outside, "
          f"{len(undecided)} cases undecided; "
          f"as a kernel {'correct' if graded else 'NOT correct'}")
    sys.exit(0 if graded and not wrong and requests else 1)


if __name__ == "__main__":
    main()
