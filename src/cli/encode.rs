//! `inferometer encode`

use std::borrow::Cow;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use super::print;
use crate::core::selector::{decode, encode};

/// Flags of `encode`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The name, as the engine tells it: `meta-llama/Llama-3-8B`.
    name: String,
    /// The other way: print what this value of a selector stands for.
    #[arg(short, long)]
    decode: bool,
}

/// Prints the value by which selectors ask for a name, or the name for a value. Either is the same text where
/// nothing needs encoding.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let name = args.name.as_str();
    let text = if args.decode {
        match (decode(name), encode(name)) {
            (Some(text), _) => text,
            // A value that is no encoding stands for itself.
            (None, Ok(Cow::Borrowed(same))) => same.to_owned(),
            _ => bail!("{name:?} cannot be the value of a selector"),
        }
    } else {
        encode(name).with_context(|| format!("{name:?} cannot be the value of a selector"))?.into_owned()
    };
    print(&(text + "\n"));
    Ok(ExitCode::SUCCESS)
}
