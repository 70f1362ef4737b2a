//! A program on a host with a person's terminal: our three streams are its own, over the connection
//! that is there already. Nothing of it is framed or kept.
//!
//! The far login shell reads one command line. Words travel in it as digits, so that no shell takes
//! any of them for its own: a static program there makes words of them again.

use super::script::RunError;
use super::{Host, Transport, local};

/// Reads words of octal digits, three a byte behind a `w`, and becomes the program that they name.
const FAR: &str = r#"n=$#; for x; do x=${x#w} s=; while [ -n "$x" ]; do r=${x#???}; s="$s\\0${x%"$r"}"; x=$r; done; s=$(printf "%bx" "$s"); set -- "$@" "${s%x}"; done; shift "$n"; PATH=${PATH:-/usr/bin:/bin}:/usr/local/bin:/usr/sbin:/sbin; export PATH; exec "$@""#;

/// The command line for a far login shell.
#[must_use]
fn command_line(words: &[String]) -> String {
    let mut line = format!("exec sh -c '{FAR}' deploy");
    for word in words {
        line.push_str(" w");
        for byte in word.bytes() {
            line.push_str(&format!("{byte:03o}"));
        }
    }
    line
}

impl Host {
    /// Runs a program on the host with our own terminal; `root`: by `sudo -n`. Gives its exit
    /// status, `None` where a signal or the end of the connection ended it.
    ///
    /// # Errors
    /// A [`RunError`] where it could not be started.
    pub async fn on_terminal(&self, words: &[String], root: bool) -> Result<Option<i32>, RunError> {
        let sudo = ["sudo", "-n"].iter().filter(|_| root);
        let words: Vec<String> = sudo
            .map(|w| (*w).to_owned())
            .chain(words.iter().cloned())
            .collect();
        let call = self.call("terminal");
        let status = match &self.0.transport {
            Transport::Local(_) => {
                let (program, rest) = words
                    .split_first()
                    .ok_or_else(|| call.wire("no words".to_owned()))?;
                local::with_our_streams(program, rest).await
            }
            Transport::Ssh(ssh) => {
                let socket = ssh.socket().await.map_err(|e| call.connection(e))?;
                let mut args: Vec<String> = ["-q", "-F", "none", "-o"].map(str::to_owned).to_vec();
                args.push(format!("ControlPath={}", socket.display()));
                // Never a connection of its own: how the host is reached was decided before.
                args.extend(
                    [
                        "-o",
                        "ControlMaster=no",
                        "-o",
                        "ProxyCommand=false",
                        "-tt",
                        "--",
                        "host",
                    ]
                    .map(str::to_owned),
                );
                args.push(command_line(&words));
                let status = local::with_our_streams("ssh", &args).await;
                // ssh's own word for a connection that is gone.
                status.map(|s| s.filter(|s| *s != 255))
            }
        };
        status.map_err(|e| call.connection(e.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn no_shell_on_the_way_reads_a_word() {
        let words = [
            "printf", "[%s]", "", "a b", "$(id)", "'\"\\", "ü\n x", "-n", "*",
        ];
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let line = command_line(&words);
        let safe = line
            .split_once("' deploy ")
            .map(|(_, rest)| rest.to_owned())
            .unwrap();
        assert!(
            safe.chars()
                .all(|c| c == ' ' || c == 'w' || c.is_ascii_digit()),
            "{safe}"
        );
        for shell in [["dash", "-c"], ["bash", "-c"], ["busybox", "sh"]] {
            let mut args = vec![shell[1].to_owned()];
            if shell[0] == "busybox" {
                args.push("-c".to_owned());
            }
            args.push(line.clone());
            let out = local::output(shell[0], &args, b"", Duration::from_secs(10)).await;
            let out = match out {
                Ok(out) => out,
                // Not every machine has every shell; dash and bash are there.
                Err(_) if shell[0] == "busybox" => continue,
                Err(error) => panic!("{shell:?}: {error}"),
            };
            let said = String::from_utf8(out.stdout).unwrap();
            assert_eq!(said, "[][a b][$(id)]['\"\\][ü\n x][-n][*]", "{shell:?}");
        }
    }
}
