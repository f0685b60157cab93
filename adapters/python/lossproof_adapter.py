"""Puts Python functions behind lossproof's adapter protocol, version 1: JSON Lines on standard input and output.

Decorate one function per loss with `Adapter.loss`, then call `Adapter.serve`; `numpy_example.py` is a whole adapter.
Needs NumPy, and ml_dtypes where bf16 is among the formats.
"""

import base64
import functools
import json
import math
import os
import sys
import traceback

import numpy as np

PROTOCOL = 1
# Above this many elements a tensor travels as base64 (INTERFACE.md).
BASE64_ABOVE = 1024
# In every format this number is exact, so a missing upstream is this scalar, which broadcasts to the loss's shape.
DEFAULT_UPSTREAM = 1.0

_FLOATS = {"f64": np.dtype(np.float64), "f32": np.dtype(np.float32), "f16": np.dtype(np.float16)}
_EXACT = {"i64": (np.dtype(np.int64), int), "bool": (np.dtype(np.bool_), bool)}
_NON_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class Unsupported(Exception):
    """Raised by a loss function for a case that its kernel has not got: it is reported, and is not a fault."""


def dtype(name):
    """The NumPy dtype of a protocol dtype.

    `bf16` without ml_dtypes is an ImportError, an unknown name a ValueError.
    """
    if name == "bf16":
        import ml_dtypes  # the one thing here that NumPy has not got

        return np.dtype(ml_dtypes.bfloat16)
    if name in _FLOATS:
        return _FLOATS[name]
    if name in _EXACT:
        return _EXACT[name][0]
    raise ValueError(f"unknown dtype {name!r}")


def decode(tensor):
    """The array of a protocol tensor: its own dtype and shape, writable.

    A value that the dtype does not hold is a ValueError that names its place.
    """
    name, shape = tensor["dtype"], tensor["shape"]
    kind = dtype(name)
    if "base64" in tensor:
        array = _from_bytes(base64.b64decode(tensor["base64"], validate=True), name, kind)
    elif name in _EXACT:
        array = _from_exact(tensor["values"], name)
    else:
        array = _from_floats(tensor["values"], name, kind)
    if array.size != math.prod(shape):
        raise ValueError(f"shape {shape} takes {math.prod(shape)} values, {array.size} given")
    return array.reshape(shape)


def _from_bytes(raw, name, kind):
    # By way of unsigned words: the byte order is right on every host, and the copy is writable.
    words = np.frombuffer(raw, f"<u{kind.itemsize}").astype(f"u{kind.itemsize}")
    if name == "bool" and (words > 1).any():
        raise ValueError(f"byte {int(np.argmax(words > 1))} is neither 0 nor 1")
    return words.view(kind)


def _from_exact(values, name):
    kind, python_type = _EXACT[name]
    for index, value in enumerate(values):
        if type(value) is not python_type:
            raise ValueError(f"value {value!r} at {index} is not {name}")
    return np.array(values, kind)


def _from_floats(values, name, kind):
    if not set(map(type, values)) <= {float, int}:
        values = [_number(value, index, name) for index, value in enumerate(values)]
    wide = np.array(values, np.float64)
    array = wide.astype(kind)
    # A number that the format does not hold would make the kernel answer another question than lossproof asked.
    changed = (array.astype(np.float64) != wide) & (wide == wide)
    if changed.any():
        index = int(np.argmax(changed))
        raise ValueError(f"value {values[index]!r} at {index} is not {name}")
    return array


def _number(value, index, name):
    if type(value) in (float, int):
        return value
    if type(value) is str and value in _NON_FINITE:
        return _NON_FINITE[value]
    raise ValueError(f"value {value!r} at {index} is not {name}")


def encode(value, format):
    """The protocol tensor of anything that NumPy takes for an array, rounded once to the format, ties to even.

    Already in the format: its bits, with the sign of zeros. Complex numbers, text and objects are a ValueError.
    """
    array, kind = np.asarray(value), dtype(format)
    if array.dtype != kind:
        if array.dtype.kind in "cOSU":
            raise ValueError(f"an output of dtype {array.dtype} is no {format}")
        array = _round_to_odd(array) if format == "bf16" and array.dtype == np.float64 else array
        array = array.astype(kind)
    tensor = {"dtype": format, "shape": list(array.shape)}
    if array.size > BASE64_ABOVE:
        words = np.ascontiguousarray(array).view(f"u{kind.itemsize}").astype(f"<u{kind.itemsize}")
        tensor["base64"] = base64.b64encode(words.tobytes()).decode("ascii")
        return tensor
    wide = array.astype(np.float64).ravel()
    tensor["values"] = wide.tolist()
    if not np.isfinite(wide).all():
        tensor["values"] = [x if math.isfinite(x) else _non_finite_name(x) for x in tensor["values"]]
    return tensor


def _round_to_odd(wide):
    # ml_dtypes rounds f64 to bf16 by way of f32, twice. An f32 that is rounded to odd keeps the second rounding right.
    narrow = wide.astype(np.float32)
    inexact = narrow.astype(np.float64) != wide
    narrow = np.where(np.abs(narrow.astype(np.float64)) > np.abs(wide), np.nextafter(narrow, np.float32(0)), narrow)
    odd = (narrow.view(np.uint32) | np.uint32(1)).view(np.float32)
    return np.where(inexact & (wide == wide), odd, narrow)


def _non_finite_name(x):
    return "nan" if x != x else "inf" if x > 0 else "-inf"


def _refuse(name):
    raise ValueError(f"{name} is not JSON")


# "-0" is an integer to Python, which has no negative zero there; "NaN" and "Infinity" are Python's own additions.
_DECODER = json.JSONDecoder(parse_int=lambda text: -0.0 if text == "-0" else int(text), parse_constant=_refuse)
_ENCODER = json.JSONEncoder(separators=(",", ":"))


@functools.cache
def _take_over():
    """The requests as a file and the answers' descriptor; standard input is then empty, standard output standard error.

    What a kernel prints, or a library under it, must not land between the answers, nor may it read requests.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # without a flush: text that is still buffered follows
    return requests, answers


class Adapter:
    """A named set of loss functions, served over the protocol. Once there is one, prints go to standard error."""

    def __init__(self, name, version):
        _take_over()
        self.name, self.version = name, version
        self._entries = []
        self._by_loss_and_format = {}

    def loss(self, loss, formats=("f64", "f32"), gradients=(), optional_inputs=(), params=None, *,
             inputs=None, defaults=None, compute=None, flush_to_zero=None, summation=None):
        """Decorates `f(inputs, params, upstream, gradients) -> (loss, {input: gradient})`.

        `inputs` and `upstream` are arrays of the case's format (classes i64, masks bool); an optional input that is
        absent is a missing key; `gradients` are the names that are asked for, and more may come back. An upstream that
        the request leaves out arrives as the scalar 1.

        - `params` pins what the kernel cannot vary; a request for anything else is answered with unsupported.
        - `defaults` completes requests that leave parameters out; lossproof itself sends them all.
        - `inputs` names the demanded inputs; where given, missing and unknown ones are refused.
        - `compute`, `flush_to_zero`, `summation` declare a machine model that is not the default.

        The same loss may be declared once for each set of formats.
        """
        entry = {"loss": loss, "formats": list(formats), "gradients": list(gradients),
                 "optional_inputs": list(optional_inputs), "params": dict(params or {})}
        machine = {"compute": compute, "flush_to_zero": flush_to_zero, "summation": summation}
        entry.update((key, value) for key, value in machine.items() if value is not None)

        def register(function):
            kernel = (function, entry, inputs, {**(defaults or {}), **entry["params"]})
            self._entries.append(entry)
            self._by_loss_and_format.update(((loss, format), kernel) for format in entry["formats"])
            return function

        return register

    def serve(self):
        """Answers the requests on standard input until it ends. Call it last."""
        requests, answers = _take_over()
        try:
            # Overflow and NaN are what many cases are about; NumPy's warnings of them are noise.
            with np.errstate(all="ignore"):
                for line in requests:
                    if line.strip():
                        _write(answers, _ENCODER.encode(self.answer(line)).encode() + b"\n")
        except (BrokenPipeError, KeyboardInterrupt):
            pass  # nobody listens any more

    def answer(self, line):
        """The answer to one line of bytes, as an object; never raises."""
        request_id = None
        try:
            request = _DECODER.decode(line.decode("utf-8"))
            if not isinstance(request, dict):
                raise ValueError("a request is a JSON object")
            request_id = request.get("id")
            if "lossproof" in request and "loss" not in request:
                return self._hello(request["lossproof"])
            return {"id": request_id, "outputs": self._outputs(request)}
        except Unsupported as reason:
            return {"id": request_id, "unsupported": str(reason)}
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            return {"id": request_id, "error": f"{type(error).__name__}: {error}"}

    def _hello(self, protocol):
        if protocol != PROTOCOL:
            raise ValueError(f"this adapter speaks protocol {PROTOCOL}, not {protocol!r}")
        supports = []
        for entry in self._entries:
            formats = [format for format in entry["formats"] if self._has(format)]
            supports.append({**entry, "formats": formats})
        return {"lossproof": PROTOCOL, "name": self.name, "version": self.version,
                "supports": [entry for entry in supports if entry["formats"]]}

    def _has(self, format):
        try:
            dtype(format)
            return True
        except ImportError as error:
            print(f"{self.name}: no {format}: {error}", file=sys.stderr)
            return False

    def _outputs(self, request):
        loss, format = request["loss"], request["format"]
        if (loss, format) not in self._by_loss_and_format:
            raise Unsupported(f"no {loss} in {format}")
        function, entry, demanded, defaults = self._by_loss_and_format[loss, format]
        params = {**defaults, **request.get("params", {})}
        for name, pinned in entry["params"].items():
            if params[name] != pinned:
                raise Unsupported(f"{loss}: {name} is {pinned!r}, not {params[name]!r}")
        gradients = request.get("gradients", [])
        for name in gradients:
            if name not in entry["gradients"]:
                raise Unsupported(f"{loss}: no gradient by {name}")
        inputs = {name: decode(tensor) for name, tensor in request["inputs"].items()}
        if demanded is not None:
            _check_names(loss, inputs, demanded, entry["optional_inputs"])
        if "upstream" in request:
            upstream = decode(request["upstream"])
        else:
            upstream = np.array(DEFAULT_UPSTREAM).astype(dtype(format))
        value, derivatives = function(inputs, params, upstream, gradients)
        outputs = {"loss": encode(value, format)}
        for name in gradients:
            if name not in derivatives:
                raise ValueError(f"{loss}: the kernel returned no gradient by {name}")
            outputs[f"grad.{name}"] = encode(derivatives[name], format)
        return outputs


def _check_names(loss, inputs, demanded, optional):
    for name in demanded:
        if name not in inputs:
            raise ValueError(f"{loss}: input {name} is missing")
    for name in inputs:
        if name not in demanded and name not in optional:
            raise Unsupported(f"{loss}: no input {name}")


def _write(descriptor, line):
    # Unbuffered, so that a reader that is gone shows here and not when the interpreter ends.
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(descriptor, rest):]
