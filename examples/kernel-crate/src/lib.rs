//! Kernels of a crate that knows nothing of lossproof: binary cross-entropy from logits in f32, right and wrong.

/// The loss of one element and its derivative by the logit: max(z, 0) − z·y + ln(1 + e^−|z|), which cannot overflow.
pub fn bce_with_logits(logit: f32, target: f32) -> (f32, f32) {
    let e = (-logit.abs()).exp();
    let sigmoid = if logit >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) };
    (logit.max(0.0) - logit * target + e.ln_1p(), sigmoid - target)
}

/// The same as the textbook has it, −y·ln σ(z) − (1 − y)·ln(1 − σ(z)): infinite or NaN as soon as σ(z) rounds to 0 or 1.
pub fn bce_from_sigmoid(logit: f32, target: f32) -> (f32, f32) {
    let sigmoid = 1.0 / (1.0 + (-logit).exp());
    (-target * sigmoid.ln() - (1.0 - target) * (1.0 - sigmoid).ln(), sigmoid - target)
}
