//! `lossproof list`: the catalogue.

use super::{HOLDS, Stop, print, style::Colours};
use crate::loss::LOSSES;
use crate::report::terminal::Table;

/// Print the catalogue
#[derive(clap::Args)]
pub(super) struct Args {
    /// Print it as JSON: id, family and summary of each loss
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<u8, Stop> {
    if args.json {
        let list: Vec<_> = LOSSES
            .iter()
            .map(|entry| entry.spec())
            .map(|spec| serde_json::json!({"id": spec.id, "family": spec.family, "summary": spec.summary}))
            .collect();
        print(&format!("{}\n", serde_json::Value::from(list)))?;
        return Ok(HOLDS);
    }
    let mut table = Table::new(&["loss", "family", "what it is"], &[]);
    for spec in LOSSES.iter().map(|entry| entry.spec()) {
        table.row(vec![spec.id.to_owned(), spec.family.name().to_owned(), spec.summary.to_owned()]);
    }
    let count = LOSSES.len();
    print(&format!("{}\n{count} losses; `lossproof show LOSS` has one's page\n", table.render(&Colours)))?;
    Ok(HOLDS)
}
