//! Colours, for terminals only: the streams strip them elsewhere. And the progress of long work.

use crate::check::Progress;
use crate::format::Format;
use crate::report::terminal::{Palette, Tone};
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// The colours of a terminal.
pub(super) struct Colours;

impl Palette for Colours {
    fn paint(&self, tone: Tone, text: &str) -> String {
        let style = match tone {
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Doubtful => AnsiColor::Yellow.on_default(),
            Tone::Heading => Style::new().bold(),
            Tone::Command => AnsiColor::Cyan.on_default(),
        };
        format!("{style}{text}{style:#}")
    }
}

/// A bar on a terminal, a line for each loss and format elsewhere; on standard error.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    verb: &'static str,
}

impl Bar {
    /// `verb` says what is done, where there is a line for each loss and format.
    pub(super) fn of(verb: &'static str) -> Bar {
        Bar { bar: std::io::stderr().is_terminal().then(|| ProgressBar::new(0)), verb }
    }
}

impl Progress for Bar {
    fn begin(&self, cases: usize) {
        if let Some(bar) = &self.bar {
            bar.set_length(cases as u64);
            if let Ok(style) = ProgressStyle::with_template("{msg:32} {wide_bar} {percent:>3} % {eta:>4}") {
                bar.set_style(style);
            }
        }
    }

    fn unit(&self, loss: &str, format: Format) {
        let text = format!("{loss} {}", format.name());
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => {
                let _ = std::io::Write::write_all(
                    &mut std::io::stderr(),
                    format!("{} {text}\n", self.verb).as_bytes(),
                );
            }
        }
    }

    fn advance(&self, cases: usize) {
        if let Some(bar) = &self.bar {
            bar.inc(cases as u64);
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
