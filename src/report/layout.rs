//! Laying out text: wrapped lists and tables, measured by what a terminal shows (wide characters
//! count two).

use console::measure_text_width;

/// Lists longer than this go on in the next line.
pub const WRAP: usize = 100;

/// `lead a, b, c`, broken between items where a line would be longer than [`WRAP`]; following
/// lines begin under the first item.
#[must_use]
pub fn list(lead: &str, items: &[String]) -> Vec<String> {
    let indent = " ".repeat(measure_text_width(lead) + 1);
    let mut lines = Vec::new();
    let mut line = lead.to_owned();
    for (i, item) in items.iter().enumerate() {
        let comma = if i + 1 < items.len() { "," } else { "" };
        let width = measure_text_width(&line) + 1 + measure_text_width(item) + comma.len();
        if i > 0 && width > WRAP {
            lines.push(std::mem::replace(&mut line, indent.trim_end().to_owned()));
            line = format!("{indent}{item}{comma}");
        } else {
            line = format!("{line} {item}{comma}");
        }
    }
    lines.push(line);
    lines
}

/// Rows in columns, two blanks between them; columns are as wide as their widest cell. The last
/// cell of a row is neither padded nor counted: nothing stands beside it.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|c| {
            rows.iter()
                .filter(|row| c + 1 < row.len())
                .filter_map(|row| row.get(c))
                .map(|cell| measure_text_width(cell))
                .max()
                .unwrap_or(0)
        })
        .collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, w)| pad(cell, *w));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

/// The text with blanks up to a width on the screen.
#[must_use]
pub fn pad(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(measure_text_width(text));
    format!("{text}{}", " ".repeat(blanks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_go_on_under_their_first_item() {
        let items: Vec<String> = (0..20).map(|i| format!("item{i:02}")).collect();
        let lines = list("  lead", &items);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|l| l.len() <= WRAP));
        assert!(lines[1].starts_with("       item"));
        assert_eq!(list("x", &["a".into()]), ["x a"]);
    }

    #[test]
    fn wide_characters_count_two() {
        let rows = [["网页", "x"], ["web", "y"]].map(|r| r.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), ["网页  x", "web   y"]);
        let uneven = [
            vec!["a".to_owned(), "a long last cell".to_owned()],
            vec!["b".into(), "c".into(), "d".into()],
        ];
        assert_eq!(table(&uneven), ["a  a long last cell", "b  c  d"]);
    }
}
