//! What schedulers are told: files that are made with each plan, to be looked over and submitted.
//!
//! A site limits how many tasks an array has (Slurm's `MaxArraySize`, 1001 unless its administrators say otherwise, and the
//! highest index is one less). So a task takes more than one shard where there are more shards than tasks.

use std::path::{Path, absolute};

use galmorph_output::{path_text, text_path};

use crate::Failure;

/// The scripts of a plan: their names and their texts.
pub(super) fn scripts(
    folder: &Path,
    shards: usize,
    array: usize,
) -> Result<[(&'static str, String); 3], Failure> {
    let plan = absolute(folder).map_err(|error| Failure::io("name", folder, &error))?;
    let tasks = shards.min(array.max(1));
    let fill = |template: &str| {
        template
            .replace("@PLAN@", &quoted(&plan))
            .replace("@SHARDS@", &shards.to_string())
            .replace("@LAST_SHARD@", &(shards - 1).to_string())
            .replace("@TASKS@", &tasks.to_string())
            .replace("@LAST@", &(tasks - 1).to_string())
    };
    Ok([
        ("run.sbatch", fill(SLURM)),
        ("run.condor", fill(CONDOR)),
        ("run.kubernetes.yaml", fill(KUBERNETES)),
    ])
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    // A script is text. What no text can name, the script can't either, and says so when it runs.
    let text = path_text(path);
    debug_assert_eq!(text_path(&text), path);
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+,:@%".contains(letter);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

// Tried on one node of Slurm 22.05.
const SLURM: &str = "#!/bin/bash
# Classifies the shards of a plan. Submit it with `sbatch run.sbatch`, from any folder.
# A task that is ended or whose node is lost goes on where it was when it runs again.
#SBATCH --job-name=galmorph
#SBATCH --array=0-@LAST@
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=4G
#SBATCH --time=08:00:00
#SBATCH --requeue
# Each task appends to a log of its own:
#SBATCH --open-mode=append
#SBATCH --output=galmorph-%A_%a.log

plan=@PLAN@
status=0
for shard in $(seq \"$SLURM_ARRAY_TASK_ID\" @TASKS@ @LAST_SHARD@); do
    galmorph-fleet run \"$plan\" \"$shard\" --workers \"${SLURM_CPUS_PER_TASK:-1}\" || status=$?
    # 1: some files could not be read, which the part says. Everything else ends the task.
    [ \"$status\" -le 1 ] || exit \"$status\"
done
exit 0
";

// Not tried: there is no HTCondor where this was written.
const CONDOR: &str = "# Classifies the shards of a plan: condor_submit run.condor
# An example, not tried on a pool. The plan's folder must be the same on all machines.
executable = /usr/bin/galmorph-fleet
arguments = run @PLAN@ $(Process) --workers 16
request_cpus = 16
request_memory = 4GB
request_disk = 4GB
max_retries = 3
# 1: some files could not be read, which the part says.
success_exit_code = 0
on_exit_remove = (ExitBySignal == False) && (ExitCode <= 1)
log = galmorph.condor.log
error = galmorph-$(Process).err
queue @SHARDS@
";

// Not tried: there is no Kubernetes where this was written.
const KUBERNETES: &str = "# Classifies the shards of a plan: kubectl apply -f run.kubernetes.yaml
# An example, not tried on a cluster: put in your own image and the volume with the images and the plan.
apiVersion: batch/v1
kind: Job
metadata:
  name: galmorph
spec:
  completionMode: Indexed
  completions: @SHARDS@
  parallelism: 10
  backoffLimitPerIndex: 3
  maxFailedIndexes: @SHARDS@
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: galmorph
          image: galmorph-fleet
          # 1: some files could not be read, which the part says.
          command: [\"/bin/sh\", \"-c\"]
          args: ['galmorph-fleet run @PLAN@ \"$JOB_COMPLETION_INDEX\" --workers 4; [ $? -le 1 ]']
          resources:
            requests: { cpu: 4, memory: 2Gi }
            limits: { memory: 2Gi }
          volumeMounts: [{ name: data, mountPath: /data }]
      volumes:
        - name: data
          persistentVolumeClaim: { claimName: galmorph-data }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_stays_within_its_limit_and_reaches_every_shard() {
        let text = |shards, array| {
            let [slurm, ..] = scripts(Path::new("/data/a plan"), shards, array).unwrap();
            slurm.1
        };
        assert!(text(4, 1000).contains("--array=0-3\n"));
        let many = text(2500, 1000);
        assert!(many.contains("--array=0-999\n"), "{many}");
        assert!(
            many.contains("$(seq \"$SLURM_ARRAY_TASK_ID\" 1000 2499)"),
            "{many}"
        );
        assert!(many.contains("plan='/data/a plan'\n"), "{many}");
    }
}
