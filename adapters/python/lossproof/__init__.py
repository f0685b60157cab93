"""lossproof's golden files for Python: exact inputs, proved answers, and the tolerance that goes with each.

    import lossproof

    @lossproof.cases("cross_entropy", "f32")
    def test_cross_entropy(case):
        loss, gradient = my_kernel(case.inputs["logits"], case.inputs["target"], case.upstream, **case.params)
        case.check(loss, {"logits": gradient})

Needs the standard library and NumPy; pytest for `cases`. The files are read from the folder that is given, or that the
environment variable LOSSPROOF_GOLDEN names, or from `golden` in lossproof's sources.
"""

from .golden import Case, GoldenError, folder, load
from .judge import FAULTS, LEVELS, Element, Verdict

__all__ = ["FAULTS", "LEVELS", "Case", "Element", "GoldenError", "Verdict", "cases", "folder", "load"]


def cases(loss, format, *, where=None, folder=None):
    """Parametrises a test's argument `case` over the golden tests of a loss and format.

    `where(case)` says which of them the kernel takes: those with its parameters, without the inputs that it has not got.
    A choice that leaves nothing is an error, since such a test could not fail.
    """
    import pytest

    chosen = [case for case in load(loss, format, folder=folder) if where is None or where(case)]
    if not chosen:
        raise GoldenError(f"no golden test of {loss} in {format} is among those asked for")
    return pytest.mark.parametrize("case", chosen, ids=[str(case) for case in chosen])
