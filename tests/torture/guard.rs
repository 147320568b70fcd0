//! Cleans up whatever happens: a process of its own that waits for this one's end, however it comes.
//!
//! It holds the other end of a pipe; when the pipe closes (an ordinary end, Ctrl-C, SIGKILL) it ends the
//! workers that are left, and the private stack with its data. Invariant: it kills only processes with this
//! run's folder in their command line.

use std::{
    io,
    path::Path,
    process::{Child, Command, Stdio},
};

const SCRIPT: &str = r#"
cat >/dev/null
for file in "$1"/*.pid; do
  [[ -r $file ]] || continue
  process=$(<"$file")
  if [[ $process =~ ^[0-9]+$ ]] && tr '\0' ' ' 2>/dev/null <"/proc/$process/cmdline" | grep -qF -- "$1"; then
    kill -KILL "$process" 2>/dev/null
  fi
done
POSTRIDER_DEV_DIR=$2 "$3" clean >/dev/null 2>&1
[[ $(<"$1/keep") == yes ]] || rm -rf "$1"
"#;

/// Ends everything when dropped, and waits for it.
pub struct Guard(Child);

impl Guard {
    /// `folder` holds the workers' process ids, `stack` the servers.
    pub fn start(folder: &Path, stack: &Path) -> io::Result<Guard> {
        use std::os::unix::process::CommandExt;
        std::fs::create_dir_all(folder)?;
        keep(folder, false)?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/dev/stack");
        let mut command = Command::new("bash");
        command.args(["-c", SCRIPT, "guard"]).arg(folder).arg(stack).arg(script);
        command.env_remove("DATABASE_URL").env_remove("AMQP_URL");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A Ctrl-C in the terminal must not end it before it has done its work.
        command.process_group(0);
        command.spawn().map(Guard)
    }
}

/// Whether the folder, with the workers' logs, outlives the run.
pub fn keep(folder: &Path, keep: bool) -> io::Result<()> {
    std::fs::write(folder.join("keep"), if keep { "yes" } else { "no" })
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}
