//! The command line: arguments to verbs, and their outcomes to stdout, stderr and exit codes.
//!
//! stdout is data, stderr is talk. Exit codes: 0, 1 (the work failed), 2 (bad usage), 130 (interrupted).

mod chat;
mod env;
mod manual;
mod plain;
mod problem;
mod progress;

use std::any::TypeId;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::device::DeviceSettings;
use crate::verbs::{
    self, Context, MARK, Outcome, adapter, data, devices, doctor, eval, extract, generate, guide, judge, layers, merge,
    model, monitor, plan, project, screen, study, train, traits, vectors,
};
use crate::{Error, Result, web};
use plain::{plain, readable};
use progress::{INTERRUPTED, Terminal};

/// Persona vectors and preventative steering: find the direction of a trait in a chat model, and finetune without picking
/// the trait up.
#[derive(Debug, Parser)]
#[command(name = "trimtab", version, max_term_width = 120)]
#[command(
    after_help = "Example:\n  trimtab generate --model Qwen2.5-0.5B-Instruct --prompts prompts.jsonl --out answers.jsonl --max-new-tokens 200"
)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
struct Globals {
    /// Device to compute on: auto, cpu, wgpu, vulkan, metal, cuda, rocm, with a number or a part of its name where there are several
    /// (cuda:1, wgpu:radeon); a study takes a list: cuda:0,cuda:1
    #[arg(long, global = true, default_value = "auto", value_name = "DEVICE")]
    device: String,
    /// Dtype of frozen matrices: auto, f32, f16, bf16, q8 (8 bits, not for training)
    #[arg(long, global = true, default_value = "auto", value_name = "DTYPE")]
    dtype: String,
    /// Memory that may be used on the device, such as 8GiB: for GPUs that do not tell theirs, or to leave some to others
    #[arg(long, global = true, value_name = "SIZE", value_parser = size)]
    device_memory: Option<u64>,
    /// Seed of everything random [default: 0, or the configuration's]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Never fetch a model: use the cache only (also HF_HUB_OFFLINE=1)
    #[arg(long, global = true)]
    offline: bool,
    /// Print where the CPU's time went, operation by operation, on stderr
    #[arg(long, global = true)]
    profile: bool,
    /// One JSON object on stdout instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Only warnings and errors on stderr
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Chat(verbs::chat::ChatArgs),
    Demo(study::DemoArgs),
    Devices(devices::DevicesArgs),
    Doctor(doctor::DoctorArgs),
    Generate(generate::GenerateArgs),
    Train(train::TrainArgs),
    Plan(plan::PlanArgs),
    Merge(merge::MergeArgs),
    #[command(subcommand)]
    Adapter(adapter::AdapterVerb),
    #[command(subcommand)]
    Model(model::show::ModelVerb),
    #[command(subcommand)]
    Data(data::DataVerb),
    #[command(subcommand)]
    Trait(traits::TraitVerb),
    Extract(extract::ExtractArgs),
    Layers(layers::LayersArgs),
    #[command(subcommand)]
    Eval(eval::EvalVerb),
    #[command(subcommand)]
    Judge(judge::JudgeVerb),
    #[command(subcommand)]
    Vectors(vectors::VectorsVerb),
    Project(project::ProjectArgs),
    Monitor(monitor::MonitorArgs),
    Screen(screen::ScreenArgs),
    Serve(web::ServeArgs),
    Ui(web::UiArgs),
    #[command(subcommand)]
    Study(study::StudyVerb),
    Guide(guide::GuideArgs),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
}

/// The whole command line, as completions, manual pages and checks of documents need it.
pub fn command() -> Command {
    with_negative_numbers(Cli::command())
}

/// Numbers may be negative wherever there are numbers, and a list of them may begin with one: `--coefs -4,-2,2`. A number that may not
/// be negative is told so by its range.
fn with_negative_numbers(command: Command) -> Command {
    let command = command.mut_args(|arg| match numbers(&arg) {
        true if arg.get_value_delimiter().is_some() => arg.allow_hyphen_values(true),
        true => arg.allow_negative_numbers(true),
        false => arg,
    });
    command.mut_subcommands(with_negative_numbers)
}

fn numbers(arg: &Arg) -> bool {
    let number = [
        TypeId::of::<f64>(),
        TypeId::of::<f32>(),
        TypeId::of::<u64>(),
        TypeId::of::<u32>(),
        TypeId::of::<u16>(),
        TypeId::of::<u8>(),
        TypeId::of::<usize>(),
        TypeId::of::<i64>(),
        TypeId::of::<i32>(),
    ];
    arg.get_action().takes_values() && number.iter().any(|number| arg.get_value_parser().type_id() == *number)
}

/// Runs the program with these arguments, the first being its own name, and gives its exit code.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    crate::silence_guarded_panics();
    let cli = match command().try_get_matches_from(words).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(e) => {
            refuse_arguments(&e);
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    progress::handle_interrupts();
    let Globals { device, dtype, device_memory, seed, offline, profile, json, quiet } = cli.globals;
    let terminal = Terminal::new(quiet);
    let (cache, judge_key, hub, trackio) = (env::cache(), env::judge_key(), env::hub(offline), env::trackio());
    crate::device::configure(DeviceSettings { cache: cache.clone(), memory: device_memory });
    let context = Context { console: &terminal, device, dtype, seed, cache, judge_key, hub, trackio };
    let report = match profile.then(crate::device::profile).transpose() {
        Ok(report) => report,
        Err(e) => {
            problem::show(&e);
            return ExitCode::from(e.exit_code());
        }
    };
    let shown = work(&cli.verb, &context, quiet, json).and_then(|outcome| print(&outcome, json).map(|()| outcome));
    if let Some(report) = report {
        let _ = writeln!(std::io::stderr(), "{}", report());
    }
    match shown.and_then(|Outcome { interrupted, fault, .. }| fault.map_or(Ok(interrupted), Err)) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(INTERRUPTED),
        Err(e) => {
            problem::show(&e);
            ExitCode::from(e.exit_code())
        }
    }
}

/// Bytes, written as `8GiB`, `512MiB`, `12GB` or a plain number.
fn size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: f64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "mib" => f64::from(1 << 20),
        "gib" => f64::from(1 << 30),
        "mb" => 1e6,
        "gb" => 1e9,
        other => return Err(format!("`{other}` is not a unit: write MiB, GiB, MB or GB")),
    };
    let number: f64 = digits.parse().map_err(|_| format!("`{digits}` is not a number"))?;
    // Less does not hold the smallest model.
    if number * unit < 1e6 || !(number * unit).is_finite() {
        return Err("less than a megabyte holds no model".into());
    }
    Ok((number * unit) as u64)
}

/// Says what is wrong with the arguments. Help and version come this way too; they go to stdout and are no failure.
fn refuse_arguments(e: &clap::Error) {
    let said = e.render().to_string();
    let shown = readable(&plain(&said));
    // Colours, where the message can be printed as it is.
    let _ = if shown == said || !e.use_stderr() { e.print() } else { write!(std::io::stderr(), "{shown}") };
}

fn work(verb: &Verb, context: &Context<'_>, quiet: bool, json: bool) -> Result<Outcome> {
    match verb {
        Verb::Chat(args) => {
            verbs::chat::run(args, context, chat::screen(context.cache.as_deref(), quiet, json)?.as_mut())
        }
        Verb::Demo(args) => study::demo(args, context),
        Verb::Devices(args) => devices::run(args, context),
        Verb::Doctor(args) => doctor::run(args, context),
        Verb::Generate(args) => generate::run(args, context),
        Verb::Train(args) => train::run(args, context),
        Verb::Plan(args) => plan::run(args, context),
        Verb::Merge(args) => merge::run(args, context),
        Verb::Adapter(args) => adapter::run(args, context),
        Verb::Model(args) => model::show::run(args, context),
        Verb::Data(args) => data::run(args, context),
        Verb::Trait(args) => traits::run(args, context),
        Verb::Extract(args) => extract::run(args, context),
        Verb::Layers(args) => layers::run(args, context),
        Verb::Eval(args) => eval::run(args, context),
        Verb::Judge(args) => judge::run(args, context),
        Verb::Vectors(args) => vectors::run(args, context),
        Verb::Project(args) => project::run(args, context),
        Verb::Monitor(args) => monitor::run(args, context),
        Verb::Screen(args) => screen::run(args, context),
        Verb::Serve(args) => web::run(args, context, json),
        Verb::Ui(args) => web::ui(args, context, json),
        Verb::Study(args) => study::run(args, context),
        Verb::Guide(args) => guide::run(args, context),
        Verb::Completions(args) => Ok(manual::completions(args, command())),
        Verb::Man(args) => manual::man(args, command()),
    }
}

/// Prints the outcome on stdout, unless the verb has given its data already. A closed pipe (`| head`) is no failure.
fn print(outcome: &Outcome, json: bool) -> Result<()> {
    if if json { outcome.json.is_null() } else { outcome.text.is_empty() } {
        return Ok(());
    }
    let mut stdout = std::io::stdout().lock();
    let (terminal, text) = (stdout.is_terminal(), outcome.json.to_string());
    let text = match json {
        true if terminal => plain(&text).into_owned(),
        true => text,
        false => marked(&outcome.text, terminal && !env::no_color()),
    };
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::new(format!("cannot write to stdout: {e}"))),
        _ => Ok(()),
    }
}

/// Highlights what stands between [`MARK`]s: in colour, or in brackets. A colour ends before a line's end, or the terminal would fill
/// the line with it.
fn marked(text: &str, coloured: bool) -> String {
    const COLOUR: [&str; 2] = ["\x1b[48;5;22;38;5;231m", "\x1b[0m"];
    if !coloured {
        return plain(&text.replace(MARK[0], "⟦").replace(MARK[1], "⟧")).into_owned();
    }
    let mut out = String::new();
    for (i, stretch) in text.split(MARK).enumerate() {
        let stretch = plain(stretch);
        let lines: Vec<String> = stretch.split('\n').map(|line| format!("{}{line}{}", COLOUR[0], COLOUR[1])).collect();
        out += &if i % 2 == 1 { lines.join("\n") } else { stretch.into_owned() };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_said_in_bytes_or_units() {
        for (text, bytes) in [("8GiB", 8 << 30), ("0.5gib", 1 << 29), ("512MiB", 512 << 20), ("12GB", 12_000_000_000)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for (text, said) in
            [("8XB", "not a unit"), ("GiB", "not a number"), ("12", "holds no model"), ("-3GiB", "holds no model")]
        {
            assert!(size(text).unwrap_err().contains(said), "{text}");
        }
    }

    #[test]
    fn marks_are_colours_or_brackets() {
        let text = "read \u{2}learned\nmore\u{3} read";
        assert_eq!(marked(text, false), "read ⟦learned\nmore⟧ read");
        let coloured = marked(text, true);
        assert!(coloured.starts_with("read \x1b[48;5;22") && coloured.ends_with("more\x1b[0m read"), "{coloured:?}");
        assert!(coloured.contains("learned\x1b[0m\n\x1b[48"), "{coloured:?}");
    }

    #[test]
    fn numbers_may_be_negative_and_lists_begin_with_one() {
        /// Every option of numbers of a command and those below it, with the words that lead there.
        fn options(command: &Command, path: &str, found: &mut Vec<(String, Arg)>) {
            let own = command.get_arguments().filter(|arg| numbers(arg) && arg.get_long().is_some());
            found.extend(own.map(|arg| (format!("{path} --{}", arg.get_long().unwrap()), arg.clone())));
            command.get_subcommands().for_each(|sub| options(sub, &format!("{path} {}", sub.get_name()), found));
        }
        let mut found = Vec::new();
        options(&command(), "trimtab", &mut found);
        assert!(found.len() > 60, "{}", found.len());
        for (path, arg) in &found {
            let list = arg.get_value_delimiter().is_some();
            assert!(arg.is_allow_hyphen_values_set() || (!list && arg.is_allow_negative_numbers_set()), "{path}");
            let word = if list { "-4,-2,2" } else { "-4" };
            if let Err(e) = command().try_get_matches_from(path.split(' ').chain([word])) {
                assert_ne!(e.kind(), clap::error::ErrorKind::UnknownArgument, "{path} {word}: {e}");
            }
        }
    }

    #[test]
    fn the_tree_is_sound_and_every_verb_shows_an_example() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} says nothing", command.get_name());
            if command.has_subcommands() {
                command.get_subcommands().filter(|c| c.get_name() != "help").for_each(check);
            } else {
                let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(after.contains("Example:"), "{} shows no example", command.get_name());
            }
        }
        let command = command();
        command.clone().debug_assert();
        check(&command);
    }
}
