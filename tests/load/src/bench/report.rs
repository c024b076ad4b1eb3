//! The report: what was measured on, what it is to be compared with, and a table with a column for each store.

use super::Options;

/// Filled while measuring.
pub struct Report {
    head: String,
    beside: Vec<(String, String)>,
    columns: Vec<String>,
    /// What, and its value in each column so far.
    rows: Vec<(String, Vec<String>)>,
    notes: Vec<String>,
    whole: bool,
    /// Requests a second of a server without a store.
    pub bare_rate: f64,
}

impl Report {
    /// Notes the machine and the options.
    pub fn new(options: &Options) -> Self {
        let field = |file: &str, name: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
            line.map(|line| line.trim_start_matches([':', '\t', ' ']).to_owned())
                .unwrap_or_else(|| "unknown".to_owned())
        };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let build = if cfg!(debug_assertions) { "development build (not for publication)" } else { "release build" };
        let date = jiff::Timestamp::now().strftime("%Y-%m-%d");
        let head = format!(
            "Measured on {date}: {build}, {cores} cores ({}), memory {}, Linux {}. Sender, peers and mediator are three processes on \
             this machine and share its cores. {} connections, one request at a time on each; the documented sample, each time another \
             claim; all settings by default but times towards the peers (5 s), retry.lease (30 s), no polling, the rate limit{}.",
            field("/proc/cpuinfo", "model name"),
            field("/proc/meminfo", "MemTotal"),
            std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
            options.connections,
            options.settings.iter().map(|line| format!(", `{line}`")).collect::<String>(),
        );
        let (beside, columns, rows, notes) = Default::default();
        Self { head, beside, columns, rows, notes, whole: true, bare_rate: f64::NAN }
    }

    /// A figure of something else than the mediator.
    pub fn beside(&mut self, what: &str, value: String) {
        self.beside.push((what.to_owned(), value));
    }

    /// A figure of a store.
    pub fn row(&mut self, column: &str, what: &str, value: String) {
        eprintln!("bench: {column}: {what}: {value}");
        let at = self.columns.iter().position(|known| known == column).unwrap_or_else(|| {
            self.columns.push(column.to_owned());
            self.columns.len() - 1
        });
        let row = self.rows.iter().position(|(known, _)| known == what).unwrap_or_else(|| {
            self.rows.push((what.to_owned(), Vec::new()));
            self.rows.len() - 1
        });
        let values = &mut self.rows[row].1;
        values.resize(at + 1, "–".to_owned());
        values[at] = value;
    }

    /// A sentence below the table.
    pub fn note(&mut self, text: &str) {
        eprintln!("bench: {text}");
        self.notes.push(text.to_owned());
    }

    /// Something that must not be: the bench then ends with 1.
    pub fn fault(&mut self, text: &str) {
        self.note(&format!("FAULT {text}"));
        self.whole = false;
    }

    /// Whether nothing was wrong.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Markdown.
    pub fn text(&self) -> String {
        let mut lines =
            vec![self.head.clone(), String::new(), "| Beside it | |".to_owned(), "| --- | ---: |".to_owned()];
        lines.extend(self.beside.iter().map(|(what, value)| format!("| {what} | {value} |")));
        lines.extend([String::new(), format!("| What | {} |", self.columns.join(" | "))]);
        lines.push(format!("| --- |{}", " ---: |".repeat(self.columns.len())));
        for (what, values) in &self.rows {
            let blank = " – |".repeat(self.columns.len() - values.len());
            lines.push(format!("| {what} | {} |{blank}", values.join(" | ")));
        }
        lines.extend(self.notes.iter().flat_map(|note| [String::new(), note.clone()]));
        lines.join("\n") + "\n"
    }
}

/// A whole number with its thousands apart; small ones keep a digit.
pub fn number(value: f64) -> String {
    if value < 100.0 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_written_for_people() {
        for (value, text) in [(0.0, "0"), (7.25, "7.2"), (999.0, "999"), (1000.0, "1,000"), (1_234_567.8, "1,234,568")]
        {
            assert_eq!(number(value), text);
        }
    }
}
