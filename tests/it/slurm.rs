//! Studies handed to Slurm: the job scripts by themselves, and a whole study on a real Slurm of one node where its packages are
//! installed (Debian: munge, slurmctld, slurmd, slurm-client).

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::place::{PROGRAM, said};
use crate::support::study::config;

/// A folder with the configuration of a small study, and perhaps a cluster.
struct Place {
    dir: TempDir,
    cluster: Option<Cluster>,
}

impl Place {
    /// A study whose finetunes take so many steps, saved at every fifth.
    fn new(steps: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        config.train.epochs = 1000;
        config.train.max_steps = Some(steps);
        config.train.save_steps = Some(5);
        fs::write(dir.path().join("c.toml"), toml::to_string(&config).unwrap()).unwrap();
        Self { dir, cluster: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).env("NO_COLOR", "1");
        if let Some(cluster) = &self.cluster {
            command.env("SLURM_CONF", cluster.dir.path().join("slurm.conf"));
        }
        command
    }

    /// `trimtab study` with these words; gives what it says on stdout.
    #[track_caller]
    fn study(&self, words: &[&str]) -> String {
        let output = self.command(PROGRAM).arg("study").args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}\n{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, words: &[&str], path: Option<&str>) -> String {
        let mut command = self.command(PROGRAM);
        path.map(|path| command.env("PATH", path));
        let output = command.arg("study").args(words).output().unwrap();
        assert!(!output.status.success(), "{words:?}");
        said(&output)
    }

    fn status(&self, out: &str) -> Value {
        serde_json::from_str(&self.study(&["status", out, "--json"])).unwrap()
    }

    #[track_caller]
    fn same_results(&self, a: &str, b: &str) {
        let results = |out: &str| -> Value {
            serde_json::from_slice(&fs::read(self.path(out).join("results.json")).unwrap()).unwrap()
        };
        assert_eq!(results(a), results(b));
    }
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

const LOCAL: [&str; 7] = ["facts", "--config", "c.toml", "--device", "cpu", "--out", "alone"];

fn launched(out: &str) -> [&str; 9] {
    ["facts", "--config", "c.toml", "--device", "cpu", "--out", out, "--launcher", "slurm"]
}

#[test]
fn job_scripts_do_the_study_piece_by_piece() {
    let (place, out) = (Place::new(2), "it's a study");
    place.study(&LOCAL);
    let told = place.study(&[&launched(out)[..], &["--dry-run", "--time", "1:00:00", "--gpus", "a100:1"]].concat());
    // The commands that would have been given, as a shell takes them.
    assert_eq!(told.matches("=$(sbatch --parsable ").count(), 3, "{told}");
    assert!(told.contains("\nARMS=$(sbatch --parsable \"--dependency=afterok:$PREPARE\" "), "{told}");
    assert!(!place.path(out).join("slurm/jobs.json").exists());
    let script = |name: &str| place.path(out).join(format!("slurm/{name}.sh"));
    let arms = fs::read_to_string(script("arms")).unwrap();
    assert!(arms.contains("\n#SBATCH --time=1:00:00\n#SBATCH --gres=gpu:a100:1\n"), "{arms}");
    let tasks = arms.lines().skip_while(|line| *line != "shares=(").take_while(|line| *line != ")").count() - 1;
    // Plain with its sweep, all layers, one layer, prompting, random; the base model, its elicitation.
    assert_eq!(tasks, 7, "{arms}");

    // Slurm's part is played by bash, in an order of its own.
    run(place.command("bash").arg(script("prepare")));
    for task in (0..tasks).rev() {
        run(place.command("bash").arg(script("arms")).env("SLURM_ARRAY_TASK_ID", task.to_string()));
    }
    let status = place.status(out);
    assert_eq!(status["counts"]["done"], status["pieces"].as_array().unwrap().len(), "{status:#}");
    assert!(status["report"].is_null());
    run(place.command("bash").arg(script("collect")));
    place.same_results(out, "alone");
    assert!(place.study(&["status", out]).contains("report.html"));
}

#[test]
fn what_slurm_cannot_be_told_is_refused() {
    let place = Place::new(2);
    let nowhere = place.refused(&launched("out"), Some("/nonexistent"));
    assert!(nowhere.contains("cannot run `sbatch`") && nowhere.contains("--dry-run"), "{nowhere}");
    let twice = place.refused(&[&launched("out")[..], &["--sbatch=--array=1-3"]].concat(), None);
    assert!(twice.contains("--array is set by the study itself"), "{twice}");
    let alone = place.refused(&[&LOCAL[..], &["--partition", "x"]].concat(), None);
    assert!(alone.contains("--launcher"), "{alone}");
    let config = fs::read_to_string(place.path("c.toml")).unwrap();
    fs::write(place.path("c.toml"), format!("{config}\n[slurm]\npartitoin = \"x\"\n")).unwrap();
    let key = place.refused(&launched("out"), None);
    assert!(key.contains("unknown key `slurm.partitoin`") && key.contains("did you mean `partition`?"), "{key}");
    let nothing = place.refused(&["status", "."], None);
    assert!(nothing.contains("no study in this folder"), "{nothing}");
}

/// Slurm on this machine: its daemons, which end with this value.
struct Cluster {
    dir: TempDir,
}

impl Cluster {
    /// Starts munged, slurmctld and slurmd as the current user, or says why not.
    fn up() -> Result<Self, String> {
        for program in ["munged", "slurmctld", "slurmd", "sbatch", "scontrol"] {
            let found = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
            if !found.iter().any(|folder| Path::new(folder).join(program).exists()) {
                return Err(format!("`{program}` is not installed (Debian: munge slurmctld slurmd slurm-client)"));
            }
        }
        let cluster = Self { dir: tempfile::tempdir().unwrap() };
        let dir = cluster.dir.path();
        let word = |command: &mut Command| run(command).trim().to_owned();
        let (user, host) = (word(Command::new("id").arg("-un")), word(Command::new("hostname").arg("-s")));
        fs::create_dir(dir.join("state")).unwrap();
        fs::create_dir(dir.join("spool")).unwrap();
        let key: Vec<u8> = (0..1024).map(|i: u32| (i * 7 % 251) as u8).collect();
        fs::write(dir.join("key"), key).unwrap();
        fs::set_permissions(dir.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.join("slurm.conf"), cluster.conf(&user, &host)).unwrap();
        let at = |name: &str| dir.join(name).display().to_string();
        let munged = ["--force".to_owned()].into_iter().chain(
            [
                ("key-file", "key"),
                ("socket", "munge.socket"),
                ("pid-file", "munged.pid"),
                ("log-file", "munged.log"),
                ("seed-file", "seed"),
            ]
            .map(|(flag, name)| format!("--{flag}={}", at(name))),
        );
        let conf = at("slurm.conf");
        run(Command::new("/usr/sbin/munged").args(munged));
        run(Command::new("/usr/sbin/slurmctld").args(["-f", &conf]));
        run(Command::new("/usr/sbin/slurmd").args(["-f", &conf, "-N", &host]));
        let idle = || Command::new("sinfo").args(["-h", "-o", "%T"]).env("SLURM_CONF", &conf).output();
        until("the node is idle", 90, || idle().is_ok_and(|o| String::from_utf8_lossy(&o.stdout).trim() == "idle"));
        Ok(cluster)
    }

    /// One node with two cores, whatever the machine has. A job that is put back into the queue may begin again after the life of a
    /// credential, which is two minutes unless it is told otherwise.
    fn conf(&self, user: &str, host: &str) -> String {
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = self.dir.path().display();
        format!(
            "ClusterName=trimtab\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser={user}\nSlurmdUser={user}\n\
             SlurmctldPort={}\nSlurmdPort={}\nAuthType=auth/munge\nAuthInfo=socket={dir}/munge.socket,cred_expire=5\n\
             StateSaveLocation={dir}/state\nSlurmdSpoolDir={dir}/spool\nSlurmctldPidFile={dir}/slurmctld.pid\n\
             SlurmdPidFile={dir}/slurmd.pid\nSlurmctldLogFile={dir}/slurmctld.log\nSlurmdLogFile={dir}/slurmd.log\n\
             ProctrackType=proctrack/pgid\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\n\
             AccountingStorageType=accounting_storage/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n\
             SchedulerType=sched/builtin\nSchedulerParameters=sched_interval=1,batch_sched_delay=0\nSwitchType=switch/none\n\
             MpiDefault=none\nReturnToService=2\nSlurmdParameters=config_overrides\nKillWait=20\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\nPartitionName=main Nodes={host} Default=YES State=UP\n",
            port(),
            port(),
        )
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for daemon in ["slurmd", "slurmctld", "munged"] {
            let pid = self.dir.path().join(format!("{daemon}.pid"));
            if let Ok(pid) = fs::read_to_string(&pid) {
                let _ = Command::new("kill").arg(pid.trim()).output();
                let over = || !Command::new("kill").args(["-0", pid.trim()]).output().is_ok_and(|o| o.status.success());
                let began = Instant::now();
                while !over() && began.elapsed() < Duration::from_secs(10) {
                    sleep(Duration::from_millis(100));
                }
            }
        }
    }
}

#[track_caller]
fn until(what: &str, seconds: u64, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(seconds), "{what}: not after {seconds} s");
        sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "starts a Slurm of its own: cargo test --release --test it -- --ignored slurm"]
fn a_study_on_slurm_survives_a_requeue() {
    const STEPS: usize = 80;
    let cluster = match Cluster::up() {
        Ok(cluster) => cluster,
        Err(why) => return eprintln!("skipped, no study was handed to Slurm: {why}"),
    };
    let mut place = Place::new(STEPS);
    place.cluster = Some(cluster);
    let (place, out) = (place, "on slurm");
    let nowhere = place.refused(&[&launched(out)[..], &["--partition", "nowhere"]].concat(), None);
    assert!(nowhere.contains("sbatch refuses") && nowhere.contains("invalid partition"), "{nowhere}");

    let told = place.study(&launched(out));
    assert!(told.contains("arms: job 2, 7 tasks"), "{told}");
    let again = place.refused(&launched(out), None);
    assert!(again.contains("still in the queue") && again.contains("scancel"), "{again}");

    // A finetune is thrown out in the middle.
    let fit = place.path(out).join("fits/plain-seed3");
    let steps = || fs::read_to_string(fit.join("metrics.jsonl")).map_or(0, |text| text.lines().count());
    until("the plain finetune is under way", 180, || steps() >= 7);
    let piece = |status: &Value| -> Value {
        status["pieces"].as_array().unwrap().iter().find(|piece| piece["name"] == "plain-seed3").unwrap().clone()
    };
    let seen = piece(&place.status(out));
    assert!(seen["state"] == "under_way" && seen["steps"][1] == STEPS, "{seen:#}");
    let alone = place.refused(&[&LOCAL[..6], &[out]].concat(), None);
    assert!(alone.contains("another process is at work in this folder"), "{alone}");
    run(place.command("scontrol").args(["requeue", seen["task"].as_str().unwrap()]));
    until("the finetune has left", 90, || piece(&place.status(out))["state"] == "interrupted");
    let (left, saved) = (steps(), fs::read_dir(&fit).unwrap().flatten().map(|e| e.file_name().into_string().unwrap()));
    assert!(left < STEPS && saved.into_iter().any(|name| name.starts_with("checkpoint-")), "{left} steps");

    place.study(&LOCAL);
    until("the report is there", 300, || place.path(out).join("report.html").is_file());
    until("the last job is over", 60, || place.status(out)["collect"]["state"] == "COMPLETED");
    place.same_results(out, "alone");
    let log = place.path(piece(&place.status(out))["log"].as_str().unwrap());
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("finishing what is begun") && log.contains("plain-seed3 goes on after step "), "{log}");
    assert_eq!(steps(), STEPS);
}
