//! `cargo xtask siege`: the built program among damaged files, kills, full disks, rivals, a hostile judge and hostile clients. Bounded
//! by time and repeated by a seed; what is found is printed with the least input that shows it.

mod damage;
mod disks;
mod kills;
mod peers;
mod place;
mod rng;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use trimtab::{At, Error, Result};

use place::{Limits, Place};
use rng::Rng;

/// How long, with what, and against which program.
#[derive(clap::Args)]
pub struct Args {
    /// Seconds for all parts together.
    #[arg(long, default_value_t = 3000)]
    seconds: u64,
    /// This part alone.
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// Seed of the damage and of the moments.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The program.
    #[arg(long, default_value = "target/release/trimtab")]
    program: PathBuf,
    /// Seconds that one run may take.
    #[arg(long, default_value_t = 30)]
    limit: u64,
    /// MiB of address space that one run may take.
    #[arg(long, default_value_t = 6000)]
    memory: u64,
}

/// A part of the siege.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Damaged inputs for every reader.
    Damage,
    /// Kills at chosen disk operations.
    Kills,
    /// A full disk from a chosen disk operation on.
    Full,
    /// Small and read-only disks.
    Disks,
    /// Two writers of one output.
    Rivals,
    /// A hostile judge.
    Judge,
    /// Hostile clients of `serve`.
    Client,
}

/// Runs a part within its time.
type Attack = fn(&mut Siege, &mut Tally) -> Result<()>;

impl Part {
    /// The work, and its share of the time.
    fn of(self) -> (Attack, u64) {
        match self {
            Self::Damage => (damage::run, 40),
            Self::Kills => (kills::kills, 20),
            Self::Full => (kills::full, 15),
            Self::Disks => (disks::small, 5),
            Self::Rivals => (disks::rivals, 8),
            Self::Judge => (peers::judge, 7),
            Self::Client => (peers::client, 5),
        }
    }
}

/// What the parts share.
struct Siege {
    rng: Rng,
    until: Instant,
    program: PathBuf,
    limits: Limits,
    /// Whether there is time for what takes long by design.
    patient: bool,
}

impl Siege {
    fn place(&self) -> Result<Place> {
        Place::new(&self.program, self.limits)
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }
}

/// What came of a part.
#[derive(Default)]
struct Tally {
    tried: usize,
    /// What happened, and the command.
    violations: Vec<String>,
    skipped: Vec<String>,
}

impl Tally {
    fn violation(&mut self, what: String, command: &str) {
        let line = format!("{what}\n    {}", command.split_whitespace().collect::<Vec<_>>().join(" "));
        eprintln!("violation: {line}");
        self.violations.push(line);
    }

    fn skipped(&mut self, why: String) {
        eprintln!("left out: {why}");
        self.skipped.push(why);
    }
}

pub fn run(args: &Args) -> Result<()> {
    let program = args.program.canonicalize().map_err(|e| {
        Error::usage(format!("--program {}: {e}", args.program.display())).hint("build it: cargo build --release")
    })?;
    let parts = if args.part.is_empty() { Part::value_variants().to_vec() } else { args.part.clone() };
    let shares: u64 = parts.iter().map(|part| part.of().1).sum();
    let mut rows = Vec::new();
    for part in parts {
        let (work, share) = part.of();
        let name = part.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        let seconds = args.seconds * share / shares;
        eprintln!("{name}: {seconds} s");
        let limits = Limits { time: Duration::from_secs(args.limit), memory: args.memory * 1024 };
        let mut siege = Siege {
            rng: Rng::new(args.seed),
            until: Instant::now() + Duration::from_secs(seconds),
            program: program.clone(),
            limits,
            patient: seconds >= 120,
        };
        let mut tally = Tally::default();
        work(&mut siege, &mut tally)?;
        rows.push((name, tally));
    }
    let mut table = format!("{:<10} {:>8} {:>12} {:>10}\n", "part", "tried", "violations", "left out");
    let mut violations = 0;
    for (name, tally) in &rows {
        let (found, skipped) = (tally.violations.len(), tally.skipped.len());
        table += &format!("{name:<10} {:>8} {found:>12} {skipped:>10}\n", tally.tried);
        violations += tally.violations.len();
    }
    std::io::stdout().write_all(table.as_bytes()).doing("stdout")?;
    if violations > 0 {
        return Err(Error::new(format!("{violations} violations with seed {}", args.seed)));
    }
    Ok(())
}
