"""mse, mae and bce_with_logits in NumPy behind the adapter protocol: the example of adapters/README.md."""
import numpy as np
from lossproof_adapter import Adapter

adapter = Adapter("numpy-example", np.__version__)


def kernel(loss, x_name, function):
    @adapter.loss(loss, formats=["f64", "f32", "f16", "bf16"], gradients=[x_name, "target"],
                  params={"empty_mean": "nan"}, inputs=[x_name, "target"], defaults={"reduction": "mean"})
    def run(inputs, params, upstream, gradients):
        compute = np.float64 if upstream.dtype == np.float64 else np.float32  # 16-bit answers are rounded once
        x, y, scale = (array.astype(compute) for array in (inputs[x_name], inputs["target"], upstream))
        value, by_x, by_y = function(x, y)
        if params["reduction"] != "none":
            count = compute(value.size if params["reduction"] == "mean" else 1)
            value, scale = value.sum() / count, scale / count
        return value, {x_name: scale * by_x, "target": scale * by_y}


def bce_with_logits(z, y):
    e = np.exp(-np.abs(z))  # never overflows
    return np.maximum(z, 0) - z * y + np.log1p(e), np.where(z >= 0, 1, e) / (1 + e) - y, -z


kernel("mse", "prediction", lambda x, y: ((x - y) ** 2, 2 * (x - y), 2 * (y - x)))
kernel("mae", "prediction", lambda x, y: (np.abs(x - y), np.sign(x - y), np.sign(y - x)))
kernel("bce_with_logits", "logits", bce_with_logits)
adapter.serve()
