//! The question of a protected environment. It is asked here and nowhere else: no prompt hides in
//! planning or engine.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio::signal::unix::{SignalKind, signal};

use super::context::Context;
use super::failure::{Failure, FailureKind};
use crate::name::EnvName;

/// Longest answer that is read.
const LONGEST: usize = 4096;

/// Asks to type the environment's name. Returns at once where `--yes` was given. Pause the face
/// first, so that the question stays on the screen.
///
/// # Errors
/// Refused where nobody can answer or the answer is another one; interrupted by Ctrl-C.
pub async fn confirm(ctx: &Context, env: &EnvName, what: &str) -> Result<(), Failure> {
    if ctx.options.yes {
        return Ok(());
    }
    let answers = ctx.outside.stdin_terminal && ctx.outside.stderr_terminal;
    if !answers || ctx.options.json || ctx.options.quiet {
        return Err(
            Failure::refused(format!("{what} needs a person's word: {env} is protected")).hint(
                "type the answer on a terminal, or add --yes where the decision is already made",
            ),
        );
    }
    let not_begun = |kind| Failure::new(kind, format!("{what} was not begun"));
    let deaf = |e: std::io::Error| Failure::failed("signals cannot be heard").because(e);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(deaf)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(deaf)?;
    ctx.out.ask(&question(env, what));
    let mut input = BufReader::new(tokio::io::stdin());
    tokio::select! {
        answer = read(&mut input) => judge(env, what, answer),
        _ = interrupt.recv() => Err(not_begun(FailureKind::Interrupted)),
        _ = terminate.recv() => Err(not_begun(FailureKind::Terminated)),
    }
}

fn question(env: &EnvName, what: &str) -> String {
    format!("{what}: {env} is protected, type its name to go on: ")
}

async fn read(input: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    let mut limited = tokio::io::AsyncReadExt::take(input, LONGEST as u64);
    limited.read_until(b'\n', &mut line).await.ok()?;
    String::from_utf8(line).ok()
}

fn judge(env: &EnvName, what: &str, answer: Option<String>) -> Result<(), Failure> {
    match answer.as_deref().map(str::trim) {
        Some(word) if word == env.as_str() => Ok(()),
        Some("") | None => Err(Failure::refused(format!("{what} was not begun: no answer"))),
        Some(_) => Err(Failure::refused(format!(
            "{what} was not begun: the answer was not {env}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ExitCode;

    #[tokio::test]
    async fn only_the_name_itself_goes_on() {
        let env: EnvName = "production".parse().unwrap();
        for (typed, good) in [
            ("production\n", true),
            ("  production \r\n", true),
            ("production", true),
            ("yes\n", false),
            ("\n", false),
            ("", false),
            ("Production\n", false),
            ("productionx\n", false),
        ] {
            let answer = read(&mut typed.as_bytes()).await;
            let judged = judge(&env, "deploy", answer);
            assert_eq!(judged.is_ok(), good, "{typed:?}");
            if let Err(failure) = judged {
                assert_eq!(failure.kind().exit_code(), ExitCode::Refused);
            }
        }
    }

    #[tokio::test]
    async fn an_endless_answer_ends() {
        let long = "x".repeat(1 << 20);
        assert_eq!(read(&mut long.as_bytes()).await.unwrap().len(), LONGEST);
    }
}
