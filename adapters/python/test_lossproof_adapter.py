"""Tests of lossproof_adapter over the protocol itself: each talks to a real adapter process.

Run with `python3 -m unittest discover adapters/python`. NumPy is enough; the bf16 tests need ml_dtypes.
"""

import base64
import importlib.util
import json
import math
import os
import struct
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLE = [sys.executable, os.path.join(HERE, "numpy_example.py")]
needs_bf16 = unittest.skipUnless(importlib.util.find_spec("ml_dtypes"), "ml_dtypes is not installed")

# Losses that are no losses: each shows one thing that a kernel can do to the module.
FIXTURE = """
import os, subprocess, sys
import numpy as np
from lossproof_adapter import Adapter, Unsupported
print("printed before there was an adapter")
adapter = Adapter("fixture", "1")
every = ["f64", "f32", "f16", "bf16"]

@adapter.loss("echo", every, gradients=["x"], optional_inputs=["index", "mask"])
def echo(inputs, params, upstream, gradients):
    x = inputs["x"]
    if "index" in inputs:
        assert inputs["index"].dtype == np.int64 and inputs["mask"].dtype == np.bool_
        x[inputs["index"][inputs["mask"]]] = 0
    return x, {"x": x * upstream}

@adapter.loss("round", every, params={"pinned": 2, "other": None}, inputs=["x"], flush_to_zero=True)
def rounded(inputs, params, upstream, gradients):
    return np.array([1 + 2**-8 + 2**-40, 1e300, -5e-324, np.nan, 2.0**-134 * (1 + 2**-40)]), {}

@adapter.loss("noisy", ["f32"])
def noisy(inputs, params, upstream, gradients):
    print("printed")
    sys.stdout.flush()
    os.write(1, b"written")
    subprocess.run([sys.executable, "-c", "import sys; print('a child read', sys.stdin.read())"])
    return 1.0, {}

@adapter.loss("failing", ["f32"], gradients=["x"])
def failing(inputs, params, upstream, gradients):
    how = params["how"]
    if how == "unsupported":
        raise Unsupported("not this one")
    if how == "exit":
        sys.exit(3)
    if how == "raise":
        raise RuntimeError("the kernel failed")
    return {"complex": 1j, "object": object(), "text": "1.0", "no gradient": 1.0}[how], {}

print("printed while the adapter was loading")
adapter.serve()
"""
SERVE_FIXTURE = [sys.executable, "-c", FIXTURE]


def talk(command, *lines, end=b"\n"):
    """Sends the lines (objects, text or bytes) to a fresh adapter, which must end with status 0; its answers."""
    lines = [line if isinstance(line, (bytes, str)) else json.dumps(line) for line in lines]
    data = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + end
    environment = {**os.environ, "PYTHONPATH": HERE, "PYTHONUNBUFFERED": ""}
    done = subprocess.run(command, input=data, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def tensor(dtype, values, shape=None):
    return {"dtype": dtype, "shape": [len(values)] if shape is None else shape, "values": values}


def packed(dtype, code, values):
    data = struct.pack(f"<{len(values)}{code}", *values)
    return {"dtype": dtype, "shape": [len(values)], "base64": base64.b64encode(data).decode()}


def echo(x, **fields):
    request = {"id": 1, "loss": "echo", "format": x["dtype"], "inputs": {"x": x}}
    return {**request, **fields}


def mse(prediction, target, **fields):
    inputs = {"prediction": tensor("f32", prediction), "target": tensor("f32", target)}
    return {"id": 1, "loss": "mse", "format": "f32", "inputs": inputs, **fields}


class Handshake(unittest.TestCase):
    def test_hello_names_the_losses(self):
        (hello,) = talk(EXAMPLE, {"lossproof": 1, "a field of the future": []})
        self.assertEqual((hello["lossproof"], hello["name"]), (1, "numpy-example"))
        self.assertNotIn("id", hello)
        self.assertEqual([entry["loss"] for entry in hello["supports"]], ["mse", "mae", "bce_with_logits"])
        self.assertEqual(hello["supports"][2]["gradients"], ["logits", "target"])
        self.assertEqual(hello["supports"][0]["params"], {"empty_mean": "nan"})

    def test_machine_model_stands_where_it_is_not_the_default(self):
        (hello,) = talk(SERVE_FIXTURE, {"lossproof": 1})
        machine = [{key: entry.get(key) for key in ("flush_to_zero", "compute")} for entry in hello["supports"]]
        self.assertEqual(machine[0], {"flush_to_zero": None, "compute": None})
        self.assertEqual(machine[1], {"flush_to_zero": True, "compute": None})

    def test_other_protocol_is_an_error(self):
        refused, hello = talk(EXAMPLE, {"lossproof": 2}, {"lossproof": 1})
        self.assertIn("protocol 1", refused["error"])
        self.assertEqual(hello["lossproof"], 1)

    def test_bf16_is_left_out_without_ml_dtypes(self):
        fixture = FIXTURE.replace('"noisy", ["f32"]', '"noisy", ["bf16"]')
        without = "import sys; sys.modules['ml_dtypes'] = None\n" + fixture
        (hello,) = talk([sys.executable, "-c", without], {"lossproof": 1})
        formats = {entry["loss"]: entry["formats"] for entry in hello["supports"]}
        three = ["f64", "f32", "f16"]
        self.assertEqual(formats, {"echo": three, "round": three, "failing": ["f32"]})

    def test_end_of_input_is_the_only_goodbye(self):
        self.assertEqual(talk(EXAMPLE, end=b""), [])
        self.assertEqual(len(talk(EXAMPLE, {"lossproof": 1}, end=b"")), 1)


class Readme(unittest.TestCase):
    def test_the_example_is_shown_in_full(self):
        def read(*path):
            with open(os.path.join(HERE, *path), encoding="utf-8") as file:
                return file.read()

        example = read("numpy_example.py")
        self.assertIn(f"```python\n{example}```\n", read("..", "README.md"))
        self.assertLess(len(example.splitlines()), 30)


class Answers(unittest.TestCase):
    def test_values_and_gradients(self):
        upstream = tensor("f32", [2.0], [])
        asked = mse([0.5, -0.0, 2.0], [0.0, 1.0, 4.0], upstream=upstream, gradients=["prediction", "target"],
                    params={"reduction": "sum", "empty_mean": "nan"}, unknown={"deep": [1]})
        (answer,) = talk(EXAMPLE, asked)
        self.assertEqual(answer["outputs"], {
            "loss": tensor("f32", [5.25], []),
            "grad.prediction": tensor("f32", [2.0, -4.0, -8.0]),
            "grad.target": tensor("f32", [-2.0, 4.0, 8.0]),
        })

    def test_defaults_of_what_is_left_out(self):
        (answer,) = talk(EXAMPLE, mse([1.0, 3.0], [0.0, 0.0]))
        self.assertEqual(answer["outputs"], {"loss": tensor("f32", [5.0], [])})
        (answer,) = talk(EXAMPLE, mse([1.0, 3.0], [0.0, 0.0], params={"reduction": "none"}, gradients=["target"]))
        self.assertEqual(answer["outputs"]["grad.target"], tensor("f32", [-2.0, -6.0]))

    def test_empty_mean(self):
        (answer,) = talk(EXAMPLE, mse([], [], gradients=["target"]))
        self.assertEqual(answer["outputs"], {"loss": tensor("f32", ["nan"], []), "grad.target": tensor("f32", [])})

    def test_ids_come_back_as_they_are(self):
        ids = [7, "seven", None, -1, 2**70]
        answers = talk(EXAMPLE, *[mse([1.0], [0.0], id=name) for name in ids])
        self.assertEqual([answer["id"] for answer in answers], ids)

    def test_stable_where_naive_kernels_are_not(self):
        logits, target = tensor("f32", [1000.0, -1000.0, 20.0]), tensor("f32", [1.0, 0.0, 1.0])
        (answer,) = talk(EXAMPLE, {"id": 1, "loss": "bce_with_logits", "format": "f32", "params": {"reduction": "none"},
                                   "inputs": {"logits": logits, "target": target}, "gradients": ["logits"]})
        loss = answer["outputs"]["loss"]["values"]
        self.assertEqual(loss[:2], [0.0, 0.0])
        self.assertAlmostEqual(loss[2] / math.log1p(math.exp(-20)), 1, delta=1e-6)

    def test_a_long_line(self):
        # 4 MiB of numbers, and an answer above the pipe's capacity.
        values = [0.1 * k for k in range(200_000)]
        (answer,) = talk(SERVE_FIXTURE, echo(tensor("f64", values), gradients=["x"]))
        data = base64.b64decode(answer["outputs"]["grad.x"]["base64"])
        # assertEqual would spend minutes on the difference.
        self.assertTrue(list(struct.unpack("<200000d", data)) == values)

    def test_last_line_without_a_newline(self):
        self.assertEqual(len(talk(EXAMPLE, mse([1.0], [0.0]), mse([1.0], [0.0]), end=b"")), 2)


class Tensors(unittest.TestCase):
    def echoed(self, x, **fields):
        (answer,) = talk(SERVE_FIXTURE, echo(x, **fields))
        self.assertIn("outputs", answer, answer)
        return answer["outputs"]["loss"]

    def test_zeros_keep_their_sign(self):
        (answer,) = talk(SERVE_FIXTURE, b'{"id":1,"loss":"echo","format":"f32","inputs":{"x":{"dtype":"f32",'
                         b'"shape":[4],"values":[-0.0,0.0,-0,0]}}}')
        signs = [math.copysign(1, x) for x in answer["outputs"]["loss"]["values"]]
        self.assertEqual(signs, [-1, 1, -1, 1])
        signs = [math.copysign(1, x) for x in self.echoed(packed("f64", "d", [-0.0, 0.0]))["values"]]
        self.assertEqual(signs, [-1, 1])

    def test_infinities_and_nan(self):
        values = ["inf", "-inf", "nan", 1.0]
        for format in ("f64", "f32", "f16"):
            self.assertEqual(self.echoed(tensor(format, values))["values"], values)
        self.assertEqual(self.echoed(packed("f32", "f", [math.inf, -math.inf, math.nan, 1]))["values"], values)

    def test_scalars_and_empty_shapes(self):
        for x in (tensor("f32", [2.0], []), tensor("f16", [], [0, 3]), tensor("f64", [1.0, 2.0], [2, 1, 1])):
            self.assertEqual(self.echoed(x), x)

    def test_exact_widening(self):
        least = {"f64": 5e-324, "f32": 2.0**-149, "f16": 2.0**-24}
        for format, x in least.items():
            self.assertEqual(self.echoed(tensor(format, [x, -3 * x]))["values"], [x, -3 * x])

    def test_base64_above_1024_elements_only(self):
        for format, code in (("f64", "d"), ("f32", "f"), ("f16", "e")):
            few, many = [0.5] * 1024, [-0.0, 0.5, math.inf, 2.0**-24, 3.0] * 205
            self.assertEqual(self.echoed(packed(format, code, few)), tensor(format, few))
            got = self.echoed(tensor(format, [x if x < 9 else "inf" for x in many]))
            self.assertTrue(got == packed(format, code, many))

    def test_classes_and_masks(self):
        x = tensor("f32", [1.0, 2.0, 3.0])
        for index in (tensor("i64", [0, 2]), packed("i64", "q", [0, 2])):
            for mask in (tensor("bool", [False, True]), packed("bool", "?", [False, True])):
                other = {"x": x, "index": index, "mask": mask}
                self.assertEqual(self.echoed(x, inputs=other)["values"], [1.0, 2.0, 0.0])

    def test_other_dtypes_are_rounded_once(self):
        def rounded(format):
            (answer,) = talk(SERVE_FIXTURE, {"id": 1, "loss": "round", "format": format,
                                             "inputs": {"x": tensor("f32", [])}})
            values = answer["outputs"]["loss"]["values"]
            self.assertEqual((values[1:2], values[3], math.copysign(1, values[2])),
                             ([1e300 if format == "f64" else "inf"], "nan", -1))
            return values[0]

        self.assertEqual(rounded("f64"), 1 + 2**-8 + 2**-40)
        self.assertEqual(rounded("f32"), 1 + 2**-8)
        self.assertEqual(rounded("f16"), 1 + 2**-8)
        if importlib.util.find_spec("ml_dtypes"):
            # By way of f32 it would be 1: the tie that the first rounding makes goes to even.
            self.assertEqual(rounded("bf16"), 1 + 2**-7)

    @needs_bf16
    def test_bf16(self):
        values = [-0.0, 1.0078125, "inf", "nan", 2.0**-133]
        self.assertEqual(self.echoed(tensor("bf16", values))["values"], values)
        many = [1.5, -2.0] * 600
        words = [0x3FC0, 0xC000] * 600
        self.assertTrue(self.echoed(tensor("bf16", many)) == packed("bf16", "H", words))
        self.assertEqual(self.echoed(packed("bf16", "H", words[:4]))["values"], many[:4])


class Garbage(unittest.TestCase):
    def test_unreadable_lines_cost_themselves_only(self):
        lines = ["nonsense", '{"id":5', "[1]", "3", '""', b"\xff\xfe\x00", '{"id":NaN}', "[" * 100_000, "{}{}",
                 "9" * 10_000]
        answers = talk(EXAMPLE, *[part for line in lines for part in (line, "", mse([1.0], [0.0], id="good"))])
        self.assertEqual(len(answers), 2 * len(lines))
        for line, bad, good in zip(lines, answers[::2], answers[1::2]):
            self.assertIsNone(bad["id"], line)
            self.assertTrue(bad["error"], line)
            self.assertEqual(good["id"], "good")
            self.assertIn("outputs", good)

    def test_bad_requests_keep_their_id(self):
        good = tensor("f32", [1.0])
        bad_tensors = [
            tensor("f32", [0.1]), tensor("f32", [1e300]), tensor("f16", [1e-9]), tensor("f32", ["Infinity"]),
            tensor("f32", [None]), tensor("f32", [True]), tensor("f32", [[1.0]]), tensor("f32", [1.0], [2]),
            tensor("f32", [1.0], [-1]), tensor("f32", [1.0], 1), tensor("f32", 1.0, [1]), tensor("f8", [1.0]),
            tensor("i64", [1.5]), tensor("i64", [True]), tensor("i64", [2**63]), tensor("bool", [1]),
            {"dtype": "f32", "shape": [1]}, {"dtype": "f32", "shape": [1], "base64": "AAAA"}, "tensor", None,
            {"dtype": "f32", "shape": [1], "base64": "!"}, {"dtype": "bool", "shape": [1], "base64": "Ag=="},
        ]
        requests = [echo(good, inputs={"x": bad}) for bad in bad_tensors]
        requests += [echo(good, inputs=None), echo(good, params=None), echo(good, upstream=3), echo(good, loss=[1]),
                     echo(good, gradients=3), {"id": 1}, {"id": 1, "loss": "echo", "format": "f32"}]
        for request, answer in zip(requests, talk(SERVE_FIXTURE, *requests), strict=True):
            self.assertEqual(answer["id"], 1)
            self.assertIn("error", answer, request)


class Kernels(unittest.TestCase):
    def test_what_is_not_there_is_unsupported(self):
        x = tensor("f32", [1.0])
        round_ = {"id": 1, "loss": "round", "format": "f32", "inputs": {"x": x}}
        for request in (echo(x, loss="nothing"), echo(x, format="f8"), echo(x, gradients=["y"]),
                        {**round_, "params": {"pinned": 3}}, {**round_, "params": {"other": 0}},
                        {**round_, "inputs": {"x": x, "weight": x}}):
            (answer,) = talk(SERVE_FIXTURE, request)
            self.assertTrue(answer.get("unsupported"), answer)
        (answer,) = talk(SERVE_FIXTURE, {**round_, "params": {"pinned": 2.0, "other": None}})
        self.assertIn("outputs", answer)

    def test_failures_are_answered(self):
        def fail(how, gradients=()):
            (answer,) = talk(SERVE_FIXTURE, {"id": 3, "loss": "failing", "format": "f32", "params": {"how": how},
                                             "inputs": {}, "gradients": list(gradients)})
            self.assertEqual(answer["id"], 3)
            return answer

        self.assertEqual(fail("unsupported")["unsupported"], "not this one")
        self.assertEqual(fail("raise")["error"], "RuntimeError: the kernel failed")
        self.assertIn("no gradient by x", fail("no gradient", ["x"])["error"])
        for how in ("exit", "complex", "object", "text"):
            self.assertIn("error", fail(how))

    def test_a_missing_input_is_named(self):
        (answer,) = talk(SERVE_FIXTURE, {"id": 1, "loss": "round", "format": "f32", "inputs": {}})
        self.assertIn("input x is missing", answer["error"])

    def test_prints_do_not_reach_the_answers(self):
        noisy = {"id": 1, "loss": "noisy", "format": "f32", "inputs": {}}
        # The line after it is longer than a buffer: a child that could read it would.
        first, second = talk(SERVE_FIXTURE, noisy, echo(tensor("f64", [0.1] * 100_000)))
        self.assertEqual((first["outputs"]["loss"]["values"], second["id"]), ([1.0], 1))

    def test_a_reader_that_leaves_is_no_crash(self):
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with subprocess.Popen(EXAMPLE, **pipes) as process:
            process.stdout.close()
            process.stdin.write(b'{"lossproof":1}\n')
            process.stdin.close()
            self.assertEqual((process.wait(timeout=60), process.stderr.read()), (0, b""))


if __name__ == "__main__":
    unittest.main()
