"""Golden files from Python: a NumPy kernel, good and bad, the judge, and files that are not right. Run with pytest."""

import json
import math
import pathlib
import shutil

import jsonschema
import lossproof
import numpy as np
import numpy_kernels
import pytest
from lossproof import judge

np.seterr(all="ignore")


def plain(case):
    """The cases that the kernels take."""
    return not {"weight", "pos_weight"} & case.inputs.keys() and case.params["empty_mean"] == "nan"


def run(kernel, case):
    wide = np.float64 if case.format == "f64" else np.float32
    logits, target, upstream = (array.astype(wide) for array in
                                (case.inputs["logits"], case.inputs["target"], case.upstream))
    return kernel(logits, target, upstream, case.params)


@pytest.mark.parametrize("format", ["f64", "f32", "f16", "bf16"])
def test_every_format_has_cases_for_the_kernels(format):
    assert sum(map(plain, lossproof.load("bce_with_logits", format))) >= 5


@lossproof.cases("bce_with_logits", "f32", where=plain)
def test_the_good_kernel_holds_in_f32(case):
    value, gradient = run(numpy_kernels.bce_with_logits, case)
    case.check(value, {"logits": gradient})


@lossproof.cases("bce_with_logits", "f64", where=plain)
def test_the_good_kernel_holds_in_f64(case):
    value, gradient = run(numpy_kernels.bce_with_logits, case)
    case.check(value, {"logits": gradient})


@lossproof.cases("bce_with_logits", "f16", where=plain)
def test_the_good_kernel_holds_in_f16(case):
    value, gradient = run(numpy_kernels.bce_with_logits, case)
    case.check(value, {"logits": gradient})


@lossproof.cases("bce_with_logits", "bf16", where=plain)
def test_the_good_kernel_holds_in_bf16(case):
    value, gradient = run(numpy_kernels.bce_with_logits, case)
    case.check(value, {"logits": gradient})


def test_the_bad_kernel_fails_and_the_message_says_how():
    messages = []
    for case in filter(plain, lossproof.load("bce_with_logits", "f32")):
        value, gradient = run(numpy_kernels.bce_from_sigmoid, case)
        try:
            case.check(value, {"logits": gradient})
        except AssertionError as error:
            messages.append(str(error))
    assert messages
    text = "\n".join(messages)
    assert "spurious_infinity" in text or "spurious_nan" in text, text
    assert "in golden test" in text and "https://github.com/" in text


def test_the_truth_itself_is_correct_in_every_file():
    for path in sorted(lossproof.folder().glob("*/*.json")):
        loss, format = path.name.split(".")[:2]
        for case in lossproof.load(loss, format):
            for name, output in case.outputs.items():
                verdict = judge.output(case, name, np.array(output.values).reshape(output.shape), "stable")
                assert set(verdict.levels) <= {"correct"}, f"{path} {case} {verdict}"


def test_every_file_is_of_the_schema():
    folder = lossproof.folder()
    validator = jsonschema.Draft202012Validator(json.loads((folder / "schema.json").read_text()))
    jsonschema.Draft202012Validator.check_schema(validator.schema)
    paths = sorted(folder.glob("*/*.json"))
    assert paths
    for path in paths:
        content = json.loads(path.read_text())
        errors = [f"{path}: {error.json_path}: {error.message[:200]}" for error in validator.iter_errors(content)]
        assert not errors, errors[:3]
    # And it sees something: one more field, anywhere.
    for place in (content, content["source"], content["groups"][0], content["groups"][0]["tests"][0]):
        place["more"] = 1
        assert list(validator.iter_errors(content))
        del place["more"]


def test_a_newer_file_is_refused(tmp_path):
    source = next(iter(sorted(lossproof.folder().glob("*/*.f32.json"))))
    loss = source.name.split(".")[0]
    folder = tmp_path / "family"
    folder.mkdir()
    shutil.copy(source, folder)
    assert lossproof.load(loss, "f32", folder=tmp_path)
    copy = pathlib.Path(folder / source.name)
    copy.write_text(copy.read_text().replace('{"schema":1,', '{"schema":2,', 1))
    with pytest.raises(lossproof.GoldenError, match="schema 2, and this version of lossproof reads up to 1"):
        lossproof.load(loss, "f32", folder=tmp_path)
    with pytest.raises(lossproof.GoldenError, match="no golden file of"):
        lossproof.load("no_such_loss", "f32", folder=tmp_path)


def test_another_convention_is_told_from_an_error():
    told = 0
    for format in ("f64", "f32", "f16", "bf16"):
        for case in lossproof.load("mse", format):
            for params, outputs in case.conventions:
                answer = {name: np.array(output.values).reshape(output.shape) for name, output in outputs.items()}
                gradients = {name.removeprefix("grad."): array for name, array in answer.items() if name != "loss"}
                verdicts = case.judge(answer["loss"], gradients)
                failing = [verdict for verdict in verdicts.values() if not verdict.holds]
                assert all(verdict.faults.keys() == {"other_convention"} for verdict in failing), failing
                # Where two choices differ by less than is allowed, the first that fits is named.
                known = [other for other, _ in case.conventions]
                assert all(verdict.convention in known[:known.index(params) + 1] for verdict in failing)
                told += bool(failing)
                if failing:
                    with pytest.raises(AssertionError, match="other_convention: it follows another known choice"):
                        case.check(answer["loss"], gradients)
                # Wrong under every choice stays an error.
                if not np.isfinite(answer["loss"]).all():
                    continue
                wrong = case.judge(answer["loss"] + 1 + np.abs(answer["loss"]), gradients)["loss"]
                assert "other_convention" not in wrong.faults
    assert told


def test_a_choice_that_leaves_nothing_is_an_error():
    with pytest.raises(lossproof.GoldenError):
        lossproof.cases("bce_with_logits", "f32", where=lambda case: False)


class Made:
    """A case by hand: one element."""

    def __init__(self, canonical, kind="proved", budget=0.0, backward=0.0, value=None, nonnegative=False, format="f32"):
        self.format = self.compute = format
        self.nonnegative = nonnegative
        self.outputs = {"loss": self}
        self.shape, self.kinds, self.canonical = (), [kind], [canonical]
        self.values = [canonical if value is None else value]
        self.budget, self.backward, self.longest_sum, self.overflows_on_the_way = [budget], [backward], 1, [False]

    def array(self, values):
        return [float(values)], ()


def level_and_fault(got, *args, demanded="stable", **kwargs):
    verdict = judge.output(Made(*args, **kwargs), "loss", got, demanded)
    return verdict.level, next(iter(verdict.faults), None)


def test_the_levels_of_an_element():
    ulp = 2.0**-23
    y = 1 + 2.0**-31  # just above 1
    assert level_and_fault(1.0, y, value=1.0) == ("correct", None)
    assert level_and_fault(1 + ulp, y, value=1.0) == ("faithful", None)
    assert level_and_fault(1 - ulp / 2, y, value=1.0) == ("accurate", None)
    assert level_and_fault(1 + 3 * ulp, y, value=1.0) == ("accurate", None)
    assert level_and_fault(1 + 9 * ulp, y, budget=10 * ulp, value=1.0) == ("stable", None)
    assert level_and_fault(1 + 9 * ulp, y, backward=10 * ulp, value=1.0) == ("backward", "inaccurate")
    assert level_and_fault(2.0, y, value=1.0) == ("sane", "inaccurate")
    assert level_and_fault(0.0, y, value=1.0) == ("sane", "spurious_zero")
    assert level_and_fault(-1.0, y, value=1.0) == ("broken", "wrong_sign")
    assert level_and_fault(-1.0, 0.0, nonnegative=True) == ("broken", "wrong_sign")
    assert level_and_fault(math.nan, y, value=1.0) == ("broken", "spurious_nan")
    assert level_and_fault(math.inf, y, value=1.0) == ("broken", "spurious_infinity")
    assert level_and_fault(1.0, "nan", kind="undefined", value=math.nan) == ("broken", "missing_nan")
    assert level_and_fault(1.0, "inf", kind="infinite", value=math.inf) == ("broken", "missing_infinity")
    assert level_and_fault(-math.inf, "inf", kind="infinite", value=math.inf) == ("broken", "wrong_sign")
    ends = {"low": -1.0, "high": 1.0}
    assert level_and_fault(0.25, ends, kind="set", value=0.0) == ("correct", None)
    assert level_and_fault(1.5, ends, kind="set", value=0.0) == ("sane", "outside_subdifferential")
    largest = float(judge._largest("f32"))
    assert level_and_fault(largest, 2.0**128, kind="overflow", value=math.inf, budget=2.0**110) == ("faithful", None)
    assert level_and_fault(1.0, 2.0**128, kind="overflow", value=math.inf) == ("broken", "missing_infinity")
    # Of an f64 the tail decides, and below its subnormals the scaled form.
    assert level_and_fault(1.0, [1.0, 2.0**-60], value=1.0, format="f64") == ("correct", None)
    assert level_and_fault(1 + 2.0**-52, [1.0, 2.0**-60], value=1.0, format="f64") == ("faithful", None)
    assert level_and_fault(5e-324, "3*2^-1082", value=0.0, format="f64") == ("faithful", None)
    # What is stable is wrong where more is demanded.
    assert level_and_fault(1 + 9 * ulp, y, budget=10 * ulp, value=1.0, demanded="accurate") == ("stable", "inaccurate")
