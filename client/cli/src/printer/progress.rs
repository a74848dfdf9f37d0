//! A line on a terminal that shows what a command waits for.
//!
//! Guards that a command that ends within a second shows nothing, that the line
//! never wraps, and that it is erased before anything else is printed.

use std::{io::Write, time::Duration};

use tokio::time::{Instant, interval_at, timeout};

use super::escape;

/// The time before the line appears.
const APPEARS_AFTER: Duration = Duration::from_secs(1);

/// The time between two versions of the line.
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// The time between two looks at what a command waits for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The time for one look; without an answer the line keeps its text.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// The longest line. A terminal narrower than 80 columns would wrap it.
const LINE_COLUMNS_MAX: usize = 79;

/// Moves to the start of the line and erases it (ECMA-48, EL).
const ERASE: &str = "\r\x1b[K";

/// A line that is rewritten in place, and erased when dropped.
pub(crate) struct ProgressLine {
    out: Option<Box<dyn Write + Send>>,
    began: Instant,
    shown: Option<Instant>,
}

impl ProgressLine {
    /// A line on this terminal; `None` shows nothing.
    pub(super) fn new(out: Option<Box<dyn Write + Send>>) -> Self {
        Self { out, began: Instant::now(), shown: None }
    }

    /// Whether it never shows anything, so that nothing need be found out for it.
    pub(crate) fn is_silent(&self) -> bool {
        self.out.is_none()
    }

    /// Replaces the line with `text`, unless the command or the last version is too young.
    pub(crate) fn show(&mut self, text: &str) {
        let due = self.shown.map_or(self.began + APPEARS_AFTER, |shown| shown + SHOW_EVERY);
        let now = Instant::now();
        if let Some(out) = self.out.as_mut().filter(|_| now >= due) {
            self.shown = Some(now);
            let line: String = escape::shown(text).chars().take(LINE_COLUMNS_MAX).collect();
            write(out, &format!("{ERASE}{line}"));
        }
    }

    /// Shows `text` and the seconds so far until `work` is done.
    pub(crate) async fn during<T>(
        self,
        work: impl Future<Output = T>,
        mut text: impl FnMut() -> String,
    ) -> T {
        self.watching(work, "", async || Some(text())).await
    }

    /// Shows what `look` finds, `first` until then, and the seconds so far until
    /// `work` is done. `look` is called only if the line can be shown.
    pub(crate) async fn watching<T>(
        mut self,
        work: impl Future<Output = T>,
        first: &str,
        mut look: impl AsyncFnMut() -> Option<String>,
    ) -> T {
        if self.is_silent() {
            return work.await;
        }
        let watch = async {
            let mut text = first.to_owned();
            let mut ticks = interval_at(self.began + APPEARS_AFTER, LOOK_EVERY);
            loop {
                ticks.tick().await;
                if let Ok(Some(seen)) = timeout(LOOK_WITHIN, look()).await {
                    text = seen;
                }
                let seconds = self.began.elapsed().as_secs();
                self.show(&format!("{text}, {seconds} s"));
            }
        };
        tokio::select! {
            done = work => done,
            never = watch => never,
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some(out) = self.out.as_mut().filter(|_| self.shown.is_some()) {
            write(out, ERASE);
        }
    }
}

fn write(out: &mut Box<dyn Write + Send>, text: &str) {
    // A terminal that is gone needs no progress.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::tests::Captured;

    /// A line of a command that has run for this long, and its terminal.
    fn line_after(seconds: u64) -> (ProgressLine, Captured) {
        let screen = Captured::default();
        let mut line = ProgressLine::new(Some(Box::new(screen.clone())));
        line.began -= Duration::from_secs(seconds);
        (line, screen)
    }

    #[test]
    fn the_first_second_shows_nothing() {
        let (mut line, screen) = line_after(0);
        line.show("waiting: hu is unreachable");
        drop(line);
        assert_eq!(screen.text(), "");
    }

    #[test]
    fn the_line_is_rewritten_and_erased() {
        let (mut line, screen) = line_after(1);
        line.show("waiting: long is at 1200 of 5300");
        line.show("a version too soon");
        drop(line);
        assert_eq!(screen.text(), "\r\x1b[Kwaiting: long is at 1200 of 5300\r\x1b[K");
    }

    #[test]
    fn the_line_fits_a_terminal_and_obeys_nothing() {
        let (mut line, screen) = line_after(1);
        line.show(&format!("a\nb{}", "x".repeat(200)));
        assert_eq!(screen.text().trim_start_matches(ERASE).len(), LINE_COLUMNS_MAX);
        assert!(screen.text().starts_with("\r\x1b[Ka\\nbx"), "{}", screen.text());
    }

    #[tokio::test]
    async fn work_is_watched_until_it_is_done() {
        let (line, screen) = line_after(3);
        let work = tokio::time::sleep(Duration::from_millis(50));
        line.watching(work, "waiting", async || Some("waiting: hu is joining".to_owned())).await;
        assert_eq!(screen.text(), "\r\x1b[Kwaiting: hu is joining, 3 s\r\x1b[K");
    }

    #[tokio::test]
    async fn a_silent_line_costs_no_look() {
        let line = ProgressLine::new(None);
        let work = tokio::time::sleep(Duration::from_millis(1));
        line.watching(work, "waiting", async || panic!("looks")).await;
    }
}
