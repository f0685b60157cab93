//! Promise: gradients can be differentiated again. Hessian-vector products, as gradients of ⟨gradient, v⟩, against exact
//! rationals for mse and against central differences of the gradient at 300 bits for the others.

use lossproof::arithmetic::value::Value;
use lossproof::case::Case;
use lossproof::format::Format;
use lossproof::graph::{Expr, Graph, Tracer, gradient};
use lossproof::loss::{ParamValue, Params};
use lossproof::tensor::{Dtype, Tensor};
use probe::{Array, check_gradients, number, values};

#[path = "support/probe.rs"]
mod probe;

/// A loss's graph with ⟨∂loss/∂w, v⟩ and its gradient by every differentiable input.
struct SecondOrder {
    graph: Graph,
    inputs: Vec<Array>,
    product: Expr,
    rows: Vec<Expr>,
}

/// Some numbers of few bits, different everywhere.
fn spread(count: usize, seed: usize) -> Vec<f64> {
    (0..count)
        .map(|i| ((i * i * 11 + i * 37 * (seed + 1) + seed * 53 + 13) % 97) as f64 / 32.0 - 1.5)
        .collect()
}

fn second_order(id: &str, params: &[(&str, ParamValue)], inputs: Vec<(&'static str, Tensor)>) -> SecondOrder {
    let mut chosen = Params::default();
    params.iter().for_each(|(name, value)| chosen.set(name, value.clone()));
    let tensors = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
    let case = Case::new(id, Format::F64, chosen, tensors).expect("the case is valid");
    let entry = case.entry().expect("the loss is known");
    let (tracer, mut arrays, mut wrt) = (Tracer::new(), Vec::new(), Vec::new());
    let loss = entry
        .trace(&case.params, &case.inputs, &mut |name, tensor| {
            let expr = tracer.input(arrays.len(), &tensor.shape);
            arrays.push((tensor.shape.clone(), tensor.floats().to_vec()));
            if case.gradients.iter().any(|gradient| gradient == name) {
                wrt.push((arrays.len() - 1, expr.clone()));
            }
            expr
        })
        .loss;
    let mut slot = |shape: Vec<usize>, seed: usize| {
        let count = shape.iter().product();
        arrays.push((shape.clone(), spread(count, seed)));
        tracer.input(arrays.len() - 1, &shape)
    };
    let upstream = slot(loss.shape(), 1);
    let exprs: Vec<Expr> = wrt.iter().map(|(_, expr)| expr.clone()).collect();
    let products = gradient(&loss, &upstream, &exprs).into_iter().enumerate().map(|(at, gradient)| {
        let v = slot(gradient.shape(), 2 + at);
        (gradient * v).sum_all()
    });
    let product = products.reduce(|sum, product| sum + product).expect("a differentiable input");
    let rows = gradient(&product, &product.constant(1.0), &exprs);
    // Differences are taken by slot: the inputs that are differentiated come first in every loss but for classes.
    assert!(wrt.iter().enumerate().all(|(at, (slot, _))| at == *slot));
    SecondOrder { graph: tracer.graph(), inputs: arrays, product, rows }
}

fn check(id: &str, params: &[(&str, ParamValue)], inputs: Vec<(&'static str, Tensor)>) {
    let second = second_order(id, params, inputs);
    check_gradients(
        &format!("{id} {params:?}"),
        &second.graph,
        &second.product,
        &second.rows,
        &second.inputs,
    );
}

fn floats(shape: &[usize], seed: usize) -> Tensor {
    Tensor::float(Format::F64, shape, spread(shape.iter().product(), seed))
}

fn text(value: &str) -> ParamValue {
    value.into()
}

#[test]
fn mse_is_exact() {
    // H = 2·u·w/n on the diagonal of the residual: H·(v, v′) = ±2·u·w/n·(v − v′), all dyadic with n = 4.
    let weight = Tensor::float(Format::F64, &[4], vec![1.0, 0.5, 3.0, 0.0]);
    let inputs =
        vec![("prediction", floats(&[4], 5)), ("target", floats(&[4], 6)), ("weight", weight.clone())];
    let second = second_order("mse", &[], inputs);
    let [.., (_, upstream), (_, v), (_, other)] = &second.inputs[..] else {
        panic!("upstream and two vectors")
    };
    let answers = values(&second.graph, &second.rows, &second.inputs);
    for i in 0..4 {
        let expected = 2.0 * upstream[0] * weight.floats()[i] / 4.0 * (v[i] - other[i]);
        for (answer, sign) in answers.iter().zip([1.0, -1.0]) {
            assert!(matches!(&answer[i], Value::Point(ball) if ball.is_exact()), "{:?}", answer[i]);
            assert_eq!(number(&answer[i]), sign * expected, "element {i}");
        }
    }
}

#[test]
fn mae_is_flat_away_from_its_kink() {
    let second = second_order("mae", &[], vec![("prediction", floats(&[3], 1)), ("target", floats(&[3], 4))]);
    for answer in values(&second.graph, &second.rows, &second.inputs).concat() {
        assert_eq!(number(&answer), 0);
    }
}

/// Both parts, on both sides of 0; smooth_l1 with beta 0 is mae.
#[test]
fn huber_smooth_l1_and_log_cosh() {
    let weight = || ("weight", Tensor::float(Format::F64, &[4], vec![1.0, 0.5, 3.0, 2.0]));
    let inputs = || vec![("prediction", floats(&[4], 5)), ("target", floats(&[4], 6)), weight()];
    for threshold in [0.25, 1.0, 8.0] {
        check("huber", &[("delta", threshold.into())], inputs());
        check("smooth_l1", &[("beta", threshold.into()), ("mean_over", text("weight"))], inputs());
    }
    check("smooth_l1", &[("beta", 0.0.into())], inputs());
    check("log_cosh", &[], inputs());
}

/// Where the parts meet the slope jumps from 1 to 0: any number between is a second derivative.
#[test]
fn at_the_threshold_of_huber_the_second_derivative_is_a_set() {
    let one = |x: f64| Tensor::float(Format::F64, &[1], vec![x]);
    let second = second_order("huber", &[], vec![("prediction", one(-3.0)), ("target", one(-2.0))]);
    let [.., (_, upstream), (_, v), (_, other)] = &second.inputs[..] else {
        panic!("upstream and two vectors")
    };
    let whole = upstream[0] * (v[0] - other[0]);
    for (answer, sign) in values(&second.graph, &second.rows, &second.inputs).iter().zip([1.0, -1.0]) {
        let Value::Set(corners) = &answer[0] else { panic!("{answer:?}") };
        let mut ends: Vec<f64> =
            corners.balls().iter().map(|ball| number(&Value::Point(ball.clone())).to_f64()).collect();
        ends.sort_by(f64::total_cmp);
        let mut expected = [0.0, sign * whole];
        expected.sort_by(f64::total_cmp);
        assert_eq!((ends[0], ends[ends.len() - 1]), (expected[0], expected[1]));
    }
}

#[test]
fn cross_entropy() {
    let logits = || ("logits", floats(&[3, 4], 3));
    let target = || ("target", Tensor::i64(&[3], vec![2, 0, -100]));
    let weight = || ("class_weight", Tensor::float(Format::F64, &[4], vec![1.0, 2.0, 0.5, 0.25]));
    for reduction in ["none", "mean", "sum"] {
        let reduction = ("reduction", text(reduction));
        check("cross_entropy", std::slice::from_ref(&reduction), vec![logits(), target()]);
        for form in ["over_k", "over_k_minus_1"] {
            let params =
                [reduction.clone(), ("label_smoothing", 0.25.into()), ("smoothing_form", text(form))];
            check("cross_entropy", &params, vec![logits(), target(), weight()]);
        }
    }
}

#[test]
fn cross_entropy_soft() {
    let target = || {
        let masses = spread(12, 4).into_iter().map(|x| x.abs() + 0.125);
        ("target", Tensor::float(Format::F64, &[3, 4], masses.collect()))
    };
    let weight = || ("class_weight", Tensor::float(Format::F64, &[4], vec![1.0, 2.0, 0.5, 0.25]));
    for reduction in ["none", "mean", "sum"] {
        let params = [("reduction", text(reduction))];
        check("cross_entropy_soft", &params, vec![("logits", floats(&[3, 4], 3)), target()]);
        check("cross_entropy_soft", &params, vec![("logits", floats(&[3, 4], 5)), target(), weight()]);
    }
}

#[test]
fn nll_loss_is_linear() {
    let target = Tensor::i64(&[3], vec![2, 0, -100]);
    let second = second_order("nll_loss", &[], vec![("log_probs", floats(&[3, 4], 3)), ("target", target)]);
    for answer in values(&second.graph, &second.rows, &second.inputs).concat() {
        assert_eq!(number(&answer), 0);
    }
}

#[test]
fn kl_div() {
    let masses = spread(6, 4).into_iter().map(|x| x.abs() + 0.125).collect();
    let masses = Tensor::float(Format::F64, &[2, 3], masses);
    for reduction in ["none", "batchmean", "mean", "sum"] {
        for (log_target, target) in [(false, masses.clone()), (true, floats(&[2, 3], 7))] {
            let params = [("reduction", text(reduction)), ("log_target", log_target.into())];
            check("kl_div", &params, vec![("log_prediction", floats(&[2, 3], 3)), ("target", target)]);
        }
    }
}

#[test]
fn bce_with_logits() {
    let target = || ("target", Tensor::float(Format::F64, &[2, 2], vec![0.25, 0.5, 0.75, 0.125]));
    let weight = || ("weight", Tensor::float(Format::F64, &[2, 2], vec![1.0, 0.5, 3.0, 2.0]));
    let pos_weight = || ("pos_weight", Tensor::float(Format::F64, &[2], vec![3.0, 0.5]));
    check("bce_with_logits", &[], vec![("logits", floats(&[2, 2], 2)), target()]);
    check("bce_with_logits", &[], vec![("logits", floats(&[2, 2], 2)), target(), weight(), pos_weight()]);
}

#[test]
fn hinge_is_flat_away_from_its_kink() {
    let sign = Tensor::float(Format::F64, &[3], vec![1.0, -1.0, 1.0]);
    let second = second_order("hinge", &[], vec![("score", floats(&[3], 1)), ("target", sign)]);
    for answer in values(&second.graph, &second.rows, &second.inputs).concat() {
        assert_eq!(number(&answer), 0);
    }
}

#[test]
fn gaussian_nll() {
    let variance = || ("variance", Tensor::float(Format::F64, &[3], vec![0.5, 2.0, 1.25]));
    let inputs = || vec![("mean", floats(&[3], 5)), ("target", floats(&[3], 6)), variance()];
    check("gaussian_nll", &[], inputs());
    check("gaussian_nll", &[("full", true.into()), ("reduction", text("sum"))], inputs());
    let cut = [("variance_floor", 1.0.into()), ("floor_gradient", text("cut"))];
    check("gaussian_nll", &cut, inputs());
}

#[test]
fn bce() {
    let unit = |values: &[f64]| Tensor::float(Format::F64, &[2, 2], values.to_vec());
    let inputs = || {
        vec![
            ("probability", unit(&[0.25, 0.625, 0.875, 0.5])),
            ("target", unit(&[0.25, 0.5, 0.75, 0.125])),
            ("weight", unit(&[1.0, 0.5, 3.0, 2.0])),
        ]
    };
    check("bce", &[], inputs());
    // ln 0.25 is below −1, ln 0.5 is not.
    for gradient in ["cut", "pytorch"] {
        let params = [("log_clamp", (-1.0).into()), ("log_clamp_gradient", text(gradient))];
        check("bce", &params, inputs());
    }
    check(
        "bce",
        &[("probability_clip", 0.25.into()), ("reduction", text("none"))],
        vec![("probability", unit(&[0.125, 0.625, 0.875, 0.5])), ("target", unit(&[0.25, 0.5, 0.75, 0.125]))],
    );
}

#[test]
fn focal_sigmoid() {
    let soft = || Tensor::float(Format::F64, &[2, 2], vec![0.25, 0.5, 0.75, 0.125]);
    let hard = Tensor::float(Format::F64, &[2, 2], vec![0.0, 1.0, 1.0, 0.0]);
    let inputs = |target: Tensor| vec![("logits", floats(&[2, 2], 2)), ("target", target)];
    for gamma in [0.0, 0.5, 1.0, 2.0, 3.5] {
        check("focal_sigmoid", &[("gamma", gamma.into())], inputs(hard.clone()));
        for meaning in ["interpolate_p", "exp_bce", "log_weight", "linear"] {
            let params = [("gamma", gamma.into()), ("soft_target", text(meaning))];
            check("focal_sigmoid", &params, inputs(soft()));
            let without = [params[0].clone(), params[1].clone(), ("alpha", ParamValue::Null)];
            check("focal_sigmoid", &without, inputs(soft()));
        }
    }
}

#[test]
fn cosine_embedding() {
    let signs = Tensor::float(Format::F64, &[2], vec![1.0, -1.0]);
    for (epsilon, margin) in [(0.0, -1.0), (0.0390625, -1.0), (0.0, 1.0)] {
        let params = [("epsilon", epsilon.into()), ("margin", margin.into()), ("reduction", text("sum"))];
        let inputs = vec![("x1", floats(&[2, 3], 1)), ("x2", floats(&[2, 3], 4)), ("target", signs.clone())];
        check("cosine_embedding", &params, inputs);
    }
}

#[test]
fn triplet_margin() {
    for p in [1.0, 1.5, 2.0, 3.0, 2.25, f64::INFINITY] {
        let placements = if p.is_finite() { &["difference", "root"][..] } else { &["difference"] };
        let p = if p.is_finite() { ParamValue::from(p) } else { text("inf") };
        for (&placement, swap) in
            placements.iter().flat_map(|placement| [(placement, false), (placement, true)])
        {
            let params = [
                ("p", p.clone()),
                ("margin", 8.0.into()),
                ("epsilon", 0.0390625.into()),
                ("epsilon_placement", text(placement)),
                ("swap", swap.into()),
                ("reduction", text("sum")),
            ];
            let points = ["anchor", "positive", "negative"].into_iter().enumerate();
            check("triplet_margin", &params, points.map(|(at, name)| (name, floats(&[2, 3], at))).collect());
        }
    }
}

/// The classes are no float input: only the others take a slot.
#[test]
fn slots_are_the_float_inputs() {
    let inputs = vec![("logits", floats(&[1, 2], 1)), ("target", Tensor::i64(&[1], vec![1]))];
    assert_ne!(inputs[1].1.dtype, Dtype::Float(Format::F64));
    assert_eq!(second_order("cross_entropy", &[], inputs).inputs.len(), 3);
}
