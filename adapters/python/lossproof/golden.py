"""Reads golden files: each held against its hash in MANIFEST.json where Python can, and against its schema's version."""

import base64
import json
import math
import os
import pathlib

import numpy as np
from lossproof_adapter import decode, encode

from . import judge

SCHEMA = 1


class GoldenError(Exception):
    """A golden file cannot be used; the message names it."""


def folder():
    """The folder of the golden files where nothing else is said."""
    given = os.environ.get("LOSSPROOF_GOLDEN")
    return pathlib.Path(given) if given else pathlib.Path(__file__).resolve().parents[3] / "golden"


def _refuse(name):
    raise ValueError(f"{name} is not JSON")


def read(path):
    """The content of one golden file, as its schema has it."""
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=_refuse,
                             parse_int=lambda text: -0.0 if text == "-0" else int(text))
        schema = content["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GoldenError(f"{path}: {error}") from error
    if not isinstance(schema, int) or schema < 1:
        raise GoldenError(f"{path}: its schema is {schema!r}, not {SCHEMA}")
    if schema > SCHEMA:
        raise GoldenError(f"{path} has schema {schema}, and this version of lossproof reads up to {SCHEMA}: "
                          "take a newer lossproof")
    return content


def load(loss, format, *, folder=None):
    """The golden tests of a loss and format, as cases."""
    place = pathlib.Path(folder) if folder is not None else globals()["folder"]()
    # The family is a folder; a loss has one.
    found = sorted(place.glob(f"*/{loss}.{format}.json"))
    if not found:
        raise GoldenError(f"{place} has no golden file of {loss} in {format}")
    content = read(found[0])
    try:
        return [Case(content, group, test) for group in content["groups"] for test in group["tests"]]
    except (KeyError, TypeError, ValueError) as error:
        raise GoldenError(f"{found[0]}: {type(error).__name__}: {error}") from error


def unpack(items):
    """The elements of a list of a golden file: written out, as runs, or as bytes (of pairs, too)."""
    if isinstance(items, list):
        return items
    if "runs" in items:
        return [value for count, value in items["runs"] for _ in range(count)]
    pairs = "base64_pairs" in items
    floats = np.frombuffer(base64.b64decode(items["base64_pairs" if pairs else "base64"], validate=True), "<f8").tolist()
    return [floats[at:at + 2] for at in range(0, len(floats), 2)] if pairs else floats


def tensor(stored):
    """The array of a golden tensor, of its own dtype; bf16 without ml_dtypes as f32, which holds it exactly."""
    if "runs" in stored:
        stored = {"dtype": stored["dtype"], "shape": stored["shape"], "values": unpack(stored)}
    try:
        return decode(stored)
    except ImportError:
        return decode({**stored, "dtype": "f32"})


class Output:
    """What is right for one output: its truth and bounds, a list element each."""

    def __init__(self, stored):
        self.shape = tuple(stored["shape"])
        count = math.prod(self.shape)
        self.values = [judge.number(x) for x in unpack(stored["values"])]
        self.canonical = unpack(stored["canonical"])
        self.kinds = unpack(stored["kinds"]) if "kinds" in stored else ["proved"] * count
        self.budget = [judge.number(x) for x in unpack(stored["budget"])]
        self.backward = [judge.number(x) for x in unpack(stored["backward"])]
        self.longest_sum = stored["longest_sum"]
        on_the_way = stored.get("overflows_on_the_way")
        self.overflows_on_the_way = unpack(on_the_way) if on_the_way is not None else [False] * count
        for name in ("values", "canonical", "kinds", "budget", "backward", "overflows_on_the_way"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"{name} has {len(getattr(self, name))} elements, the shape {count}")


class Case:
    """One golden test: what goes in, and what is right."""

    def __init__(self, content, group, test):
        self.loss, self.format = content["loss"], content["format"]
        self.compute, self.nonnegative = content["machine"]["compute"], content["nonnegative"]
        self.id, self.regime, self.flags = test["id"], test["regime"], test.get("flags", [])
        self.params = dict(group["params"])
        self.inputs = {name: tensor(stored) for name, stored in test["inputs"].items()}
        self.upstream = tensor(test["upstream"])
        self.outputs = {name: Output(stored) for name, stored in test["outputs"].items()}
        # What is right under other known choices: their parameters, and all outputs.
        self.conventions = [
            (dict(other["params"]),
             {**self.outputs, **{name: Output(stored) for name, stored in other["outputs"].items()}})
            for other in test.get("conventions", [])
        ]
        self.notes = {name: content["notes"][name] for name in [self.regime, *self.flags]}

    def __str__(self):
        return f"{self.id}-{'-'.join([self.regime, *self.flags])}"

    __repr__ = __str__

    def judge(self, loss, gradients=None, require="stable"):
        """The verdict on the loss and on each gradient that is given by its input's name.

        Whatever is not in the case's format is rounded to it, once. An output of another shape is `shape_mismatch`.
        """
        given = {"loss": loss, **{f"grad.{name}": values for name, values in (gradients or {}).items()}}
        unknown = [name for name in given if name not in self.outputs]
        if unknown:
            raise ValueError(f"{self.loss} has no output {unknown[0]}; it has {', '.join(self.outputs)}")
        # In the regime `overflowing` nothing is demanded.
        demanded = require if self.regime != "overflowing" else None
        verdicts = {name: judge.output(self, name, values, demanded) for name, values in given.items()}
        if not all(verdict.holds for verdict in verdicts.values()):
            judge.explain(self, given, verdicts, require)
        return verdicts

    def check(self, loss, gradients=None, require="stable"):
        """The same; an AssertionError that says what is wrong where something is."""
        verdicts = self.judge(loss, gradients, require)
        wrong = [verdict for verdict in verdicts.values() if not verdict.holds]
        for watcher in _watchers:
            watcher(self, verdicts)
        if wrong:
            raise AssertionError("\n".join([*map(str, wrong), *self._described()]))
        return verdicts

    def _described(self):
        yield f"  in golden test {self.id} of {self.loss} {self.format}, regime {self.regime}"
        for name, note in self.notes.items():
            yield f"  {name}: {note['aim']} {' '.join(note.get('links', []))}".rstrip()

    def array(self, values):
        """The values rounded to the case's format, as f64, and their shape."""
        encoded = encode(values, self.format)
        return [judge.number(x) for x in _values(encoded)], tuple(encoded["shape"])


# Who is told of verdicts: the pytest plugin.
_watchers = []


def _values(encoded):
    if "values" in encoded:
        return encoded["values"]
    words = np.frombuffer(base64.b64decode(encoded["base64"]), f"<u{ {'f64': 8, 'f32': 4, 'f16': 2, 'bf16': 2}[encoded['dtype']] }")
    if encoded["dtype"] == "bf16":
        return (words.astype(np.uint32) << 16).view(np.float32).astype(np.float64).tolist()
    return words.view({"f64": "<f8", "f32": "<f4", "f16": "<f2"}[encoded["dtype"]]).astype(np.float64).tolist()
