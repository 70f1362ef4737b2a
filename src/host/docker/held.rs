//! What a plan is compared with: files of releases on a host, layers of its images.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::fleet::{Held, HeldFile};
use crate::host::script::Body;
use crate::name::SlotName;

const TEXT: &str = include_str!("sh/held.sh");

/// The question. It changes nothing and needs no lock; `$STATE` says where the record lives.
#[must_use]
pub fn body() -> Body {
    let mut body = super::body("held", TEXT);
    body.limit = Duration::from_secs(60);
    body
}

/// Reads what the question printed; what cannot be read is not held.
#[must_use]
pub fn read(lines: &[String]) -> Held {
    let mut held = Held::default();
    let mut lines = lines.iter();
    while let Some(line) = lines.next() {
        if let Some(word) = line.strip_prefix("arch ") {
            architecture(word).clone_into(&mut held.architecture);
        } else if let Some(json) = line.strip_prefix("layers ") {
            held.layers
                .extend(serde_json::from_str::<Vec<String>>(json).ok());
        } else if let Some(head) = line.strip_prefix("large ") {
            put(&mut held, head, None);
        } else if let Some(head) = line.strip_prefix("file ") {
            let coded: String = lines
                .by_ref()
                .take_while(|l| *l != ".")
                .map(String::as_str)
                .collect();
            put(&mut held, head, STANDARD.decode(coded).ok());
        }
    }
    held
}

/// `SLOT MODE PATH`.
fn put(held: &mut Held, head: &str, bytes: Option<Vec<u8>>) {
    let mut words = head.splitn(3, ' ');
    let (Some(slot), Some(mode), Some(path)) = (words.next(), words.next(), words.next()) else {
        return;
    };
    let (Ok(slot), Ok(mode)) = (SlotName::new(slot), u32::from_str_radix(mode, 8)) else {
        return;
    };
    let file = HeldFile { mode, bytes };
    held.files
        .entry(slot)
        .or_default()
        .insert(path.to_owned(), file);
}

/// Go's word for what `uname -m` says.
fn architecture(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" | "armv6l" => "arm",
        "i686" | "i386" => "386",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_layers_and_the_machine_are_read_and_what_is_torn_is_left_out() {
        let text = "arch x86_64\nfile blue 644 docker-compose.yml\nYTog\nMQo=\n.\nlarge blue 755 files/big\nfile blue 644 torn\n!!\n.\nfiles ok\nlayers [\"sha256:a\",\"sha256:b\"]\nlayers [\nfile green 644";
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let held = read(&lines);
        assert_eq!(held.architecture, "amd64");
        let blue = &held.files[&SlotName::new("blue").unwrap()];
        assert_eq!(
            blue["docker-compose.yml"].bytes.as_deref(),
            Some(&b"a: 1\n"[..])
        );
        assert_eq!(blue["files/big"].bytes, None);
        assert_eq!(blue["torn"].bytes, None);
        assert_eq!((blue.len(), held.files.len(), held.layers.len()), (3, 1, 1));
    }
}
