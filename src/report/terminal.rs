//! The face on a terminal: a calm screen that is renewed ten times a second at most, and above it
//! the few lines that stay: the plan, switches, failures, notes. At the end the screen goes away
//! and the closing block remains.

use std::fmt;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::board::{Board, Screen};
use super::face::Face;
use super::out::Out;
use super::paint::{self, Paint};
use super::words;
use crate::event::{Event, Kind};
use crate::time::Clock;

/// Most lines of a plan that are shown before a run that nobody is asked about; `deploy plan` shows all.
pub const PLAN_LINES: usize = 40;

/// Colours on the two ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Colours {
    /// On stderr, where the screen is.
    pub screen: bool,
    /// On stdout, where the closing block goes.
    pub results: bool,
}

/// Where the screen is drawn.
pub trait Surface: Send {
    /// Its size now: people resize windows.
    fn size(&self) -> Screen;
    /// Where to draw.
    fn target(&self) -> ProgressDrawTarget;
}

/// The terminal on stderr.
#[derive(Debug)]
pub struct Stderr;

impl Surface for Stderr {
    fn size(&self) -> Screen {
        let (rows, columns) = Term::stderr().size();
        Screen {
            rows: usize::from(rows),
            columns: usize::from(columns),
        }
    }
    fn target(&self) -> ProgressDrawTarget {
        ProgressDrawTarget::stderr()
    }
}

/// Draws a [`Board`].
pub struct Terminal {
    board: Board,
    surface: Box<dyn Surface>,
    out: Out,
    clock: Clock,
    colours: Colours,
    bar: Option<ProgressBar>,
    ended: bool,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal")
            .field("board", &self.board)
            .finish_non_exhaustive()
    }
}

impl Terminal {
    /// A face on this surface; results go to `out`.
    #[must_use]
    pub fn new(surface: Box<dyn Surface>, out: Out, clock: Clock, colours: Colours) -> Self {
        Self {
            board: Board::new(),
            surface,
            out,
            clock,
            colours,
            bar: None,
            ended: false,
        }
    }

    fn bar(&mut self) -> &ProgressBar {
        let surface = &self.surface;
        self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, surface.target());
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        })
    }

    fn draw(&mut self) {
        let now = self.clock.wall();
        let lines = self
            .board
            .lines(self.surface.size(), now, self.colours.screen);
        let text = lines.join("\n");
        let bar = self.bar();
        bar.set_message(text);
    }

    /// A line that stays, above the screen.
    fn keep(&mut self, text: &str, paint: Paint) {
        let colour = self.colours.screen;
        for line in words::tame_lines(text) {
            let line = paint.on(&line, colour);
            self.bar().println(line);
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Face for Terminal {
    fn event(&mut self, event: &Event) {
        self.board.event(event);
        match &event.kind {
            Kind::Plan { text } => {
                let all = text.lines().count();
                let shown: Vec<&str> = text.lines().take(PLAN_LINES).collect();
                self.keep(&shown.join("\n"), Paint::Plain);
                if all > shown.len() {
                    let more = format!("  … {} lines more", all - shown.len());
                    self.keep(&more, Paint::Faint);
                }
            }
            Kind::Failed { host, stage, why } => {
                let text = format!("✗ {host} failed while {}: {why}", words::doing(*stage));
                self.keep(&text, Paint::Bad);
            }
            Kind::Note { text, hint } => {
                self.keep(&format!("note: {text}"), Paint::Warn);
                if !hint.is_empty() {
                    self.keep(&format!("hint: {hint}"), Paint::Strong);
                }
            }
            Kind::Switched { host, to } => {
                self.keep(&format!("⇄ {host} sends to {to} now"), Paint::Good);
            }
            Kind::Finished { outcome, block } => {
                self.clear();
                self.ended = true;
                let block = paint::block(block, outcome.kind, self.colours.results);
                if !block.is_empty() {
                    self.out.result(&block);
                }
            }
            _ => {
                // The screen comes back, should it have been left for a question.
                self.bar();
            }
        }
    }

    fn notice(&mut self, text: &str) {
        self.keep(text, Paint::Warn);
    }

    fn tick(&mut self) {
        // A screen that was left for a question comes back with the next event, not by itself.
        if !self.ended && self.bar.is_some() {
            self.draw();
        }
    }

    fn pause(&mut self) {
        self.clear();
    }

    fn close(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests;
