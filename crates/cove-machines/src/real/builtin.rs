//! The program of the built-in image: a few verbs in a row, enough to see a pod live and die.
//!
//! `print LINE`, `complain LINE` (to standard error), `env NAME`, `sleep SECONDS`, `exit CODE`, `pause`. They are done
//! in order; SIGTERM ends it with 0 at any time, as the pause container's program does it.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use cove_base::Seed;
use cove_base::tokio_runtime::TokioDriver;
use tokio::signal::unix::{SignalKind, signal};

/// The image's name.
pub const IMAGE: &str = "cove.dev/builtin:1";
/// The image's entry point; its default arguments are [`COMMAND`].
pub const ENTRYPOINT: [&str; 2] = [super::image::BINARY, super::verbs::CONTAINER];
/// The image's default arguments.
pub const COMMAND: [&str; 1] = ["pause"];

/// One thing to do.
#[derive(Debug, PartialEq)]
enum Step {
    Print(String),
    Complain(String),
    Env(String),
    Sleep(Duration),
    Exit(u8),
    Pause,
}

/// Runs the verb `__container`.
pub(super) fn run(arguments: &[String]) -> io::Result<ExitCode> {
    let steps = parse(arguments).map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            biased;
            _ = terminated.recv() => Ok(ExitCode::SUCCESS),
            ended = perform(steps) => ended,
        }
    })
}

fn parse(arguments: &[String]) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = arguments.iter();
    while let Some(verb) = rest.next() {
        let mut operand = || rest.next().cloned().ok_or_else(|| format!("{verb} needs an argument"));
        steps.push(match verb.as_str() {
            "print" => Step::Print(operand()?),
            "complain" => Step::Complain(operand()?),
            "env" => Step::Env(operand()?),
            "sleep" => {
                let text = operand()?;
                let seconds = text.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
                Step::Sleep(seconds.ok_or_else(|| format!("{text:?} is no number of seconds"))?)
            }
            "exit" => {
                let text = operand()?;
                Step::Exit(text.parse().map_err(|_| format!("{text:?} is no exit code"))?)
            }
            "pause" => Step::Pause,
            other => return Err(format!("{other:?} is not among print, complain, env, sleep, exit, pause")),
        });
    }
    Ok(steps)
}

async fn perform(steps: Vec<Step>) -> io::Result<ExitCode> {
    let rt = TokioDriver::runtime(Seed::new(0));
    for step in steps {
        match step {
            Step::Print(line) => writeln!(io::stdout(), "{line}")?,
            Step::Complain(line) => writeln!(io::stderr(), "{line}")?,
            Step::Env(name) => writeln!(io::stdout(), "{}", std::env::var(name).unwrap_or_default())?,
            Step::Sleep(duration) => rt.sleep(duration).await,
            Step::Exit(code) => return Ok(ExitCode::from(code)),
            Step::Pause => std::future::pending().await,
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_in_order() {
        let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<_>>();
        let steps = parse(&words("print hello sleep 0.5 exit 3"));
        let wanted = vec![Step::Print("hello".into()), Step::Sleep(Duration::from_millis(500)), Step::Exit(3)];
        assert_eq!(steps, Ok(wanted));
        for bad in ["jump", "print", "sleep x", "sleep -1", "exit 256"] {
            assert!(parse(&words(bad)).is_err(), "{bad}");
        }
    }
}
