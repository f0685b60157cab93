"""Tests of confirm.py: worked examples of DESIGN.md, its rules for masks, kinks and empty means, and differences.

What PyTorch's own numbers are is CATALOGUE.md's, there marked as measured.

Run with `python3 -m unittest discover adapters`; needs mpmath.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import unittest

try:
    from mpmath import mp, mpf
except ImportError:
    raise unittest.SkipTest("mpmath is not installed") from None

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import confirm  # noqa: E402
from confirm import error_in_ulp, kind, reference  # noqa: E402


def tensor(dtype, values, shape=None):
    return {"dtype": dtype, "shape": [len(values)] if shape is None else shape, "values": values}


def cross_entropy(logits, target, format="f32", **params):
    shape = [len(logits), len(logits[0])]
    inputs = {"logits": tensor(format, sum(logits, []), shape), "target": tensor("i64", target)}
    return {"loss": "cross_entropy", "format": format, "params": params, "inputs": inputs}


def triplet(anchor, positive, negative, **params):
    names = ("anchor", "positive", "negative")
    inputs = {name: tensor("f64", x, [1, len(x)]) for name, x in zip(names, (anchor, positive, negative))}
    return {"loss": "triplet_margin", "format": "f64", "params": params, "inputs": inputs}


class Examples(unittest.TestCase):
    def test_the_three_of_design(self):
        (confident,) = reference(cross_entropy([[20, 0]], [0]))["loss"]
        self.assertEqual(mp.nstr(confident, 8), "2.0611536e-9")
        self.assertLess(error_in_ulp(confident, 2.0611537e-9, "f32"), 0.5)
        (offset,) = reference(cross_entropy([[1000001, 999999]], [0]))["loss"]
        self.assertEqual(mp.nstr(offset, 6), "0.126928")
        (naive,) = reference(cross_entropy([[1000, 0]], [1]))["loss"]
        self.assertEqual((naive, error_in_ulp(naive, float("inf"), "f32")), (1000, mp.inf))

    def test_infinite_logits(self):
        true = reference(cross_entropy([["-inf", 5, 5], ["-inf", "-inf", "-inf"]], [0, 1], reduction="none"))
        self.assertEqual(true["loss"], [mp.inf, None])
        self.assertEqual(true["grad.logits"], [-1, 0.5, 0.5, None, None, None])

    def test_ignored_rows_add_exactly_nothing(self):
        true = reference(cross_entropy([["nan", 1], [0, 0]], [-100, 1]))
        self.assertEqual(mp.nstr(true["loss"][0], 6), "0.693147")
        self.assertEqual(true["grad.logits"], [0, 0, 0.5, -0.5])

    def test_empty_means(self):
        request = cross_entropy([["nan", 1]], [-100])
        self.assertEqual(reference(request), {"loss": [None], "grad.logits": [0, 0]})
        request["params"]["empty_mean"] = "zero"
        self.assertEqual(reference(request), {"loss": [0], "grad.logits": [0, 0]})

    def test_exact_cancellation_is_zero(self):
        true = reference(cross_entropy([[5, 5, 5]], [1], label_smoothing=1.0))
        self.assertEqual(true["grad.logits"], [0, 0, 0])

    def test_kinks_are_intervals(self):
        same = {"prediction": tensor("f32", [1.0, 2.0]), "target": tensor("f32", [1.0, 3.0])}
        mae = {"loss": "mae", "format": "f32", "inputs": same, "params": {"reduction": "sum"}}
        self.assertEqual(reference(mae)["grad.prediction"], [(-1, 1), -1])
        # d(a, p) = 0 below the hinge's kink: the unit ball times [0, 1]
        true = reference(triplet([0, 0], [0, 0], [0, 1]))
        self.assertEqual(true["loss"], [0])
        self.assertEqual(true["grad.anchor"], [(-1, 1), (0, 2)])
        # An end of the interval that cancels to 0 exactly: the sign of a − p less [−1, 1].
        true = reference(triplet([0.3], [-0.4], [0.3], margin=0.3))
        self.assertEqual(true["grad.anchor"], [(0, 2)])
        true = reference(triplet([0, 0], [0, 0], [0, 1], epsilon=1e-6, epsilon_placement="root", margin=2.0))
        self.assertEqual(true["grad.positive"], [0, 0])

    def test_bounds_of_probabilities(self):
        def bce(p, y, **params):
            inputs = {"probability": tensor("f64", p), "target": tensor("f64", y)}
            return reference({"loss": "bce", "format": "f64", "inputs": inputs, "params": {"reduction": "none", **params}})

        true = bce([0, 0, 1, 1, 0], [0, 1, 1, 0, 0.5])
        self.assertEqual(true["loss"], [0, mp.inf, 0, mp.inf, mp.inf])
        self.assertEqual(true["grad.probability"], [1, -mp.inf, -1, mp.inf, -mp.inf])
        self.assertEqual(true["grad.target"], [mp.inf, mp.inf, -mp.inf, -mp.inf, mp.inf])
        true = bce([0, 0, 1], [1, 0, 0.5], log_clamp=-100)
        self.assertEqual(true["loss"], [100, 0, 50])
        self.assertEqual(true["grad.probability"], [0, 1, -0.5])
        self.assertEqual(true["grad.target"], [100, 100, -100])
        true = bce([0], [1], log_clamp=-100, log_clamp_gradient="pytorch")
        self.assertEqual(mp.nstr(true["grad.probability"][0], 15), "-1000000003995.8")
        self.assertEqual(true["grad.target"], [mp.inf])
        true = bce([0, 0.25, 1], [1, 1, 1], probability_clip=0.25)
        self.assertEqual(true["grad.probability"], [0, (-4, 0), 0])
        self.assertEqual(mp.nstr(bce([0], [1], probability_clip=1e-7)["loss"][0], 8), "16.118096")

    def test_floored_variances(self):
        def gaussian(variance, **params):
            inputs = {name: tensor("f64", [x]) for name, x in (("mean", 1), ("target", 0), ("variance", variance))}
            request = {"loss": "gaussian_nll", "format": "f64", "inputs": inputs, "params": params}
            return reference(request)["grad.variance"][0]

        self.assertEqual(gaussian(1), 0)
        self.assertEqual(gaussian(0.5), -1)
        self.assertEqual(gaussian(0, variance_floor=0.5), -1)
        self.assertEqual(gaussian(0, variance_floor=0.5, floor_gradient="cut"), 0)
        self.assertEqual(gaussian(0.5, variance_floor=0.5, floor_gradient="cut"), (-1, 0))
        self.assertEqual(mp.nstr(gaussian(0, variance_floor=1e-6), 3), "-5.0e+11")

    def test_excluded_classes(self):
        def kl(log_prediction, target, **params):
            inputs = {"log_prediction": tensor("f64", [log_prediction], [1, 1]), "target": tensor("f64", [target], [1, 1])}
            true = reference({"loss": "kl_div", "format": "f64", "inputs": inputs, "params": params})
            return [values[0] for values in true.values()]

        self.assertEqual(kl(-1, 0), [0, 0, -mp.inf])
        self.assertEqual(kl("-inf", 0), [0, 0, None])
        self.assertEqual(kl("-inf", 0.5), [mp.inf, -0.5, mp.inf])
        self.assertEqual(kl(-1, "-inf", log_target=True), [0, 0, 0])
        inputs = {"logits": tensor("f64", ["-inf", 5], [1, 2]), "target": tensor("f64", [0, 1], [1, 2])}
        true = reference({"loss": "cross_entropy_soft", "format": "f64", "inputs": inputs})
        self.assertEqual(true, {"loss": [0], "grad.logits": [0, 0], "grad.target": [mp.inf, 0]})
        inputs = {"log_probs": tensor("f64", ["-inf", 5], [1, 2]), "target": tensor("i64", [0])}
        true = reference({"loss": "nll_loss", "format": "f64", "inputs": inputs})
        self.assertEqual(true, {"loss": [mp.inf], "grad.log_probs": [-1, 0]})

    def test_margins_and_zero_vectors(self):
        def cosine(x1, x2, y, **params):
            inputs = {"x1": tensor("f64", x1, [1, 2]), "x2": tensor("f64", x2, [1, 2]), "target": tensor("f64", [y])}
            return reference({"loss": "cosine_embedding", "format": "f64", "inputs": inputs, "params": params})

        self.assertEqual(cosine([0, 0], [1, 2], 1)["grad.x2"], [None, None])
        self.assertEqual(cosine([0, 0], [1, 2], 1, epsilon=1e-12)["loss"], [1])
        self.assertEqual(cosine([1, 0], [0, 2], -1)["grad.x1"], [0, (0, 1)])
        self.assertEqual(cosine([1, 0], [0, 2], 1)["grad.x1"], [0, -1])
        self.assertEqual(cosine([3, 4], [6, 8], 1)["loss"], [0])
        hinge = {"loss": "hinge", "format": "f64", "params": {"reduction": "none"},
                 "inputs": {"score": tensor("f64", [1, -1, 2]), "target": tensor("f64", [1, -1, -1])}}
        self.assertEqual(reference(hinge), {"loss": [0, 0, 3], "grad.score": [(-1, 0), (0, 1), 1]})

    def test_constants_and_divisors(self):
        inputs = {name: tensor("f64", [x]) for name, x in (("mean", 1), ("target", 1), ("variance", 1))}
        full = {"loss": "gaussian_nll", "format": "f64", "inputs": inputs, "params": {"full": True}}
        self.assertEqual(mp.nstr(reference(full)["loss"][0], 10), "0.9189385332")  # ½·log 2π
        square = {name: tensor("f64", [-1, -2, -3, -4] if name != "target" else [1] * 4, [2, 2])
                  for name in ("log_prediction", "target")}
        for reduction, expected in (("sum", 10), ("batchmean", 5), ("mean", 2.5)):
            kl = {"loss": "kl_div", "format": "f64", "inputs": square, "params": {"reduction": reduction}}
            self.assertEqual(reference(kl)["loss"], [expected])
        nll = {"log_probs": tensor("f64", [-1, -2, -3, -4], [2, 2]), "target": tensor("i64", [0, 1]),
               "class_weight": tensor("f64", [3, 1])}
        # (3·1 + 1·4)/(3 + 1)
        self.assertEqual(reference({"loss": "nll_loss", "format": "f64", "inputs": nll})["loss"], [1.75])

    def test_confident_focal_loss(self):
        inputs = {"logits": tensor("f32", [20.0]), "target": tensor("f32", [1.0])}
        focal = {"loss": "focal_sigmoid", "format": "f32", "inputs": inputs}
        self.assertEqual(mp.nstr(4 * reference(focal)["loss"][0], 2), "8.8e-27")

    def test_regression_beyond_the_threshold(self):
        known = ("huber", {"delta": 2.0}, [0.5, 4, 1, 2]), ("smooth_l1", {"beta": 2.0}, [0.25, 2, 0.5, 1])
        for loss, params, expected in known:
            inputs = {"prediction": tensor("f32", [1.0, 3.0]), "target": tensor("f32", [0.0, 0.0])}
            params["reduction"] = "none"
            true = reference({"loss": loss, "format": "f32", "inputs": inputs, "params": params})
            self.assertEqual(true["loss"] + true["grad.prediction"], expected)

    def test_errors_and_kinds(self):
        self.assertEqual(error_in_ulp(mpf(1), 1 + 2**-23, "f32"), 1)
        self.assertEqual(error_in_ulp((mpf(-1), mpf(1)), 0.25, "f32"), 0)
        self.assertEqual(error_in_ulp(None, float("nan"), "f32"), 0)
        self.assertEqual(error_in_ulp(mpf(0), 2.0**-149, "f32"), 1)
        kinds = [kind(x, "f16") for x in (mpf(65519), mpf(65520), mp.inf, None, (mpf(0), mpf(1)))]
        self.assertEqual(kinds, ["proved", "overflow", "infinite", "undefined", "set"])

    def test_the_command(self):
        with tempfile.TemporaryDirectory() as folder:
            request, answer = (os.path.join(folder, name) for name in ("request.json", "answer.json"))
            with open(request, "w") as file:
                json.dump(cross_entropy([[20, 0]], [0]), file)
            with open(answer, "w") as file:
                json.dump({"id": 1, "outputs": {"loss": tensor("f32", [0.0], [])}}, file)
            command = [sys.executable, confirm.__file__, request, answer]
            text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        self.assertIn("206115362031438", text)
        self.assertIn("got 0.0, 9.28261e+6 ulp", text)


class Differences(unittest.TestCase):
    """Each gradient against a central difference of the loss, in far more digits than the step costs."""

    STEP, DIGITS = mpf(10) ** -60, mpf(10) ** -50

    def check(self, request):
        true = reference(request)
        with mp.workprec(2000):
            inputs = {name: confirm.Tensor(x) for name, x in request["inputs"].items()}
            params = {**confirm.DEFAULTS[request["loss"]], **request["params"]}

            def loss():
                return confirm.LOSSES[request["loss"]](inputs, params, None)[0][0]

            for name in inputs.keys() & {key.removeprefix("grad.") for key in true}:
                values = inputs[name].values
                for i, x in enumerate(values):
                    values[i] = x + self.STEP
                    above = loss()
                    values[i] = x - self.STEP
                    below, values[i] = loss(), x
                    slope, expected = (above - below) / (2 * self.STEP), true[f"grad.{name}"][i]
                    self.assertLess(abs(slope - expected), self.DIGITS, (request, name, i))

    def test_all_losses(self):
        random.seed(1)

        def floats(*shape, low=-2.0):
            count = shape[0] * (shape[1] if len(shape) > 1 else 1)
            return tensor("f16", [round(random.uniform(low, 2) * 256) / 256 for _ in range(count)], list(shape))

        three, six = floats(3, low=0.0), floats(2, 3, low=0.0)
        unit = tensor("f16", [x / 2 for x in six["values"]], [2, 3])
        cases = [("mse", {"prediction": floats(3), "target": floats(3), "weight": three}, {"mean_over": "weight"}),
                 ("mae", {"prediction": floats(3), "target": floats(3), "weight": three}, {}),
                 ("bce_with_logits", {"logits": floats(2, 3), "target": unit}, {}),
                 ("bce_with_logits", {"logits": floats(2, 3), "target": unit, "weight": six, "pos_weight": three}, {})]
        classes = {"logits": floats(2, 3), "target": tensor("i64", [2, 0])}
        for form in ("over_k", "over_k_minus_1"):
            cases += [("cross_entropy", {**classes, "class_weight": three}, {"smoothing_form": form, **smoothing})
                      for smoothing in ({}, {"label_smoothing": 0.3}, {"label_smoothing": 0.3, "ignore_index": 2})]
        points = {name: floats(2, 3) for name in ("anchor", "positive", "negative")}
        for p in (1.0, 1.5, 2.0, 3.0, "inf"):
            for placement in ("difference", "root"):
                cases += [("triplet_margin", points, {"p": p, "epsilon": 0.01, "epsilon_placement": placement,
                                                      "margin": 3.0, "swap": swap}) for swap in (False, True)]
        residuals = {"prediction": floats(9), "target": floats(9), "weight": floats(9, low=0.0)}
        cases += [("huber", residuals, {"delta": delta, "mean_over": "weight"}) for delta in (0.3, 1.0, 5.0)]
        cases += [("smooth_l1", residuals, {"beta": beta}) for beta in (0.0, 0.3, 1.0, 5.0)]
        cases += [("log_cosh", residuals, {}),
                  ("hinge", {"score": floats(6), "target": tensor("f16", [1, -1, 1, 1, -1, -1])}, {})]
        density = {"mean": floats(3), "target": floats(3), "variance": floats(3, low=0.1)}
        cases += [("gaussian_nll", density, {"full": full}) for full in (False, True)]
        cases += [("gaussian_nll", density, {"variance_floor": 0.7, "floor_gradient": "cut"})]
        cases += [("cross_entropy_soft", {"logits": floats(2, 3), "target": six, **weight}, {})
                  for weight in ({}, {"class_weight": three})]
        log_probs = {"log_probs": floats(3, 3), "target": tensor("i64", [2, 0, 1])}
        cases += [("nll_loss", log_probs, {}), ("nll_loss", {**log_probs, "class_weight": three}, {"ignore_index": 0})]
        for params in ({}, {"reduction": "mean"}, {"reduction": "sum", "log_target": True}):
            cases.append(("kl_div", {"log_prediction": floats(2, 3), "target": six}, params))
        probability = {"probability": tensor("f16", [0.125, 0.75, 0.0625]), "target": tensor("f16", [0.5, 0.25, 1.0])}
        for params in ({}, {"log_clamp": -2.0}, {"probability_clip": 0.2}, {"log_clamp": -1.0, "probability_clip": 0.1}):
            cases += [("bce", probability, params), ("bce", {**probability, "weight": three}, params)]
        for soft in ("interpolate_p", "exp_bce", "log_weight", "linear"):
            cases += [("focal_sigmoid", {"logits": floats(2, 3), "target": unit}, {"soft_target": soft, **params})
                      for params in ({}, {"alpha": None, "gamma": 0.5}, {"gamma": 0.0}, {"gamma": 1.0, "alpha": 0.7})]
        cases.append(("focal_sigmoid", {"logits": floats(4), "target": tensor("f16", [0, 1, 1, 0])}, {}))
        vectors = {"x1": floats(4, 3), "x2": floats(4, 3), "target": tensor("f16", [1, -1, -1, 1])}
        cases += [("cosine_embedding", vectors, {"margin": margin, "epsilon": epsilon})
                  for margin in (-0.9, 0.0, 0.5) for epsilon in (0.0, 0.1)]
        self.assertEqual({loss for loss, _, _ in cases}, set(confirm.LOSSES))
        for loss, inputs, params in cases:
            self.check({"loss": loss, "format": "f16", "inputs": inputs, "params": params})


if __name__ == "__main__":
    unittest.main()
