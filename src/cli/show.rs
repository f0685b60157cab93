//! `lossproof show`: one loss, as its Spec describes it; or the graph of a small case.

use super::{HOLDS, Stop, names, print, stop, style::Colours};
use crate::case::program::Program;
use crate::case::regime::{Regime, Taken, generate};
use crate::format::Format;
use crate::graph::Op;
use crate::loss::{LossEntry, Spec};
use crate::report::terminal::{Palette, Table, Tone, describe_case};
use std::fmt::Write;

/// Show one loss: formula, inputs, domain, parameters, conventions, kinks, dangers, sources
#[derive(clap::Args)]
pub(super) struct Args {
    /// The loss
    loss: String,
    /// Print the description as JSON
    #[arg(long, conflicts_with = "graph")]
    json: bool,
    /// Print the graph of a small case: the operations of the loss and its gradients
    #[arg(long)]
    graph: bool,
}

pub(super) fn run(args: Args) -> Result<u8, Stop> {
    let entry = names::loss(&args.loss)?;
    let text = if args.json {
        let mut json = serde_json::to_string_pretty(entry.spec()).map_err(stop)?;
        json.push('\n');
        json
    } else if args.graph {
        graph(entry)?
    } else {
        page(entry.spec())
    };
    print(&text)?;
    Ok(HOLDS)
}

fn page(spec: &Spec) -> String {
    let heading = |text: &str| Colours.paint(Tone::Heading, text);
    let mut page = format!("{} ({}): {}\n\n", heading(spec.id), spec.family.name(), spec.summary);
    let _ = writeln!(page, "  {}\n\n{}\n  {}\n", spec.formula, heading("form"), spec.form);
    let mut inputs = Table::new(&["input", "shape", "values", "gradient", "meaning"], &[]);
    for input in spec.inputs {
        let name = if input.optional { format!("{} (optional)", input.name) } else { input.name.to_owned() };
        inputs.row(vec![
            name,
            format!("[{}]", input.shape.join(", ")),
            input.domain.describe().to_owned(),
            if input.differentiable { "yes" } else { "no" }.to_owned(),
            input.doc.to_owned(),
        ]);
    }
    let _ = writeln!(page, "{}", inputs.render(&Colours));
    let mut params = Table::new(&["parameter", "default", "values", "meaning"], &[]);
    for param in spec.params {
        let values = param.kind.describe();
        params.row(vec![param.name.into(), param.default_value().to_string(), values, param.doc.into()]);
    }
    let _ = writeln!(page, "{}", params.render(&Colours));
    let conventions = spec.params.iter().flat_map(|param| {
        param
            .conventions
            .iter()
            .map(|choice| format!("{}={}: {}", param.name, choice.value.to_value(), choice.who))
    });
    let list = |page: &mut String, name: &str, items: Vec<String>| {
        if !items.is_empty() {
            let items: String = items.iter().map(|item| format!("  - {item}\n")).collect();
            let _ = writeln!(page, "{}\n{items}", heading(name));
        }
    };
    let owned = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
    list(&mut page, "conventions", conventions.collect());
    list(&mut page, "kinks", owned(spec.kinks));
    list(&mut page, "dangers", owned(spec.dangers));
    let alias = |alias: &crate::loss::Alias| {
        let differs = if alias.differs.is_empty() { String::new() } else { format!(": {}", alias.differs) };
        format!("{} {}{differs}", alias.library, alias.name)
    };
    list(&mut page, "elsewhere", spec.names.iter().map(alias).collect());
    list(&mut page, "sources", owned(spec.sources));
    let example = format!("lossproof check --loss {}", spec.id);
    let _ = writeln!(page, "{}", Colours.paint(Tone::Command, &example));
    page
}

/// The graph of the smallest typical case.
fn graph(entry: &dyn LossEntry) -> Result<String, Stop> {
    const CANDIDATES: usize = 16;
    let spec = entry.spec();
    let taken = Taken { gradients: spec.differentiable().map(str::to_owned).collect(), ..Taken::default() };
    let cases = generate(entry, Format::F32, Regime::Typical, &taken, 0, CANDIDATES, CANDIDATES);
    let case = cases.into_iter().filter(|case| !case.upstream.is_empty()).min_by_key(|case| case.elements());
    let case = case.ok_or_else(|| stop(format!("{} has no typical case to show", spec.id)))?;
    let program = Program::of(&case).map_err(stop)?;
    let mut table = Table::new(&["node", "shape", "operation", ""], &[]);
    for (id, node) in program.graph.nodes().iter().enumerate() {
        let operation = match &node.op {
            Op::Input(slot) => format!("input {}", program.inputs[*slot]),
            op => {
                let args: Vec<String> = node.args.iter().map(|arg| format!("%{arg}")).collect();
                format!("{} {}", op.name(), args.join(", "))
            }
        };
        let outputs: Vec<&str> = program
            .outputs
            .iter()
            .filter(|(_, output)| *output == id)
            .map(|(name, _)| name.as_str())
            .collect();
        let output = if outputs.is_empty() { String::new() } else { format!("= {}", outputs.join(", ")) };
        table.row(vec![
            format!("%{id}"),
            format!("{:?}", node.shape),
            operation.trim_end().to_owned(),
            output,
        ]);
    }
    let case = describe_case(&case).join("\n");
    Ok(format!("{} in f32\n{case}\n\n{}", spec.id, table.render(&Colours)))
}
