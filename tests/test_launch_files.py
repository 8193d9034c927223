"""The launch files in scripts/launch: what they start, and what they do with its exit codes. No
real cluster runs them here, and Google's gcloud is a stand-in.
"""

import os
import pathlib
import re
import subprocess

import pytest
import yaml

from seqlab import exits, processes
from seqlab.commands import COMMANDS

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAUNCH = ROOT / "scripts/launch"
AGAIN, NEVER = {exits.STOPPED}, {2, exits.DIVERGED}


def read(name):
  return yaml.safe_load((LAUNCH / name).read_text())


def container(job):
  (found,) = job["template"]["spec"]["containers"]
  return found


def known(command):
  """Whether seqlab has the command, and the project the config that it names."""
  words = dict(word.removeprefix("--").split("=", 1) for word in command if word.startswith("--"))
  assert command[0] == "seqlab" and command[1] in COMMANDS
  assert (ROOT / words["config"]).is_file() and words["workdir"].startswith("/runs/")
  return True


def test_jobset_starts_processes_that_find_each_other():
  jobset = read("jobset.yaml")
  (replicated,) = jobset["spec"]["replicatedJobs"]
  job = replicated["template"]["spec"]
  hosts, train = job["completions"], container(job)
  assert known(train["command"]) and job["parallelism"] == hosts == 2
  given = {one["name"]: one.get("value", "1") for one in train["env"]}
  name = jobset["metadata"]["name"]
  assert processes.of_environment(given) == dict(
    coordinator_address=f"{name}-{replicated['name']}-0-0.{name}:1234",
    num_processes=hosts, process_id=1,
  )  # fmt: skip
  (index,) = [one["valueFrom"] for one in train["env"] if "valueFrom" in one]
  assert "job-completion-index" in index["fieldRef"]["fieldPath"]


# What Kubernetes says of a job that its policy of pods' failures ended.
EXIT = "Container train for pod default/a failed with exit code {} matching FailJob rule at index 0"
LOST = "Pod default/a has condition DisruptionTarget matching FailJob rule at index 1"


def test_jobset_starts_again_what_was_stopped_and_no_mistake():
  spec = read("jobset.yaml")["spec"]
  job = spec["replicatedJobs"][0]["template"]["spec"]
  codes, lost = job["podFailurePolicy"]["rules"]
  assert set(codes["onExitCodes"]["values"]) == AGAIN | NEVER
  assert lost["onPodConditions"][0]["type"] == "DisruptionTarget"
  assert job["backoffLimit"] == 0 and job["template"]["spec"]["restartPolicy"] == "Never"

  def action(said):
    for rule in spec["failurePolicy"]["rules"]:
      patterns = rule.get("onJobFailureMessagePatterns", [""])
      if any(re.search(pattern, said) for pattern in patterns):
        return rule["action"]

  again = "RestartJobSetAndIgnoreMaxRestarts"
  assert [action(EXIT.format(code)) for code in AGAIN] == [again] and action(LOST) == again
  assert {action(EXIT.format(code)) for code in NEVER} == {"FailJobSet"}


def test_a_sweep_of_pods_shares_a_folder():
  job = read("sweep_job.yaml")["spec"]
  assert known(container(job)["command"])
  stopped, failed, lost = job["podFailurePolicy"]["rules"]
  assert (stopped["action"], set(stopped["onExitCodes"]["values"])) == ("Ignore", AGAIN)
  assert (failed["action"], set(failed["onExitCodes"]["values"])) == ("FailJob", {1, 2})
  assert (lost["action"], lost["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")


def test_skypilot_tells_processes_who_they_are(tmp_path):
  task = read("skypilot.yaml")
  recovery = task["resources"]["job_recovery"]
  assert set(recovery["recover_on_exit_codes"]) == AGAIN
  stand_in(tmp_path, "seqlab", f'echo "$@"; for name in {" ".join(processes.EXPLICIT)}; do '
           'printenv $name; done; exit 75')  # fmt: skip
  variables = {
    "PATH": f"{tmp_path}:{os.environ['PATH']}", "SKYPILOT_NODE_RANK": "1",
    "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2", "SKYPILOT_NUM_NODES": str(task["num_nodes"]),
  }  # fmt: skip
  done = subprocess.run(["bash", "-c", task["run"]], env=variables, capture_output=True, text=True)
  command, *told = done.stdout.splitlines()
  assert done.returncode == 75 and known(["seqlab", *command.split()])
  given = dict(zip(processes.EXPLICIT, told, strict=True))
  assert processes.of_environment(given) == dict(
    coordinator_address="10.0.0.1:1234", num_processes=2, process_id=1
  )


# A queued resource that is on its way, then there; `ssh` runs the command here. The file codes says
# how each run of the command ends; "lost" is a slice that is taken from it.
GCLOUD = """
echo "$3 $4 $5 $6" >> said
case "$4" in
  describe) [ -e state ] || exit 1
    cat state
    case "$(cat state)" in PROVISIONING) echo ACTIVE > state ;; esac ;;
  create) [ ! -e state ] && echo PROVISIONING > state ;;
  delete) rm state ;;
  ssh) for word; do case "$word" in --command=*) bash -c "${word#*=}" ;; esac; done ;;
esac
"""
TRAIN = """
echo run "$1" >> said
code=$(head -n 1 codes); sed -i 1d codes
[ "$code" = lost ] && echo SUSPENDED > state && exit 255
exit "$code"
"""


def stand_in(folder, name, does):
  (folder / name).write_text(f"#!/usr/bin/env bash\n{does}\n")
  (folder / name).chmod(0o755)


def queued_resources(folder, *codes):
  """(the exit code, what was said) of the script where runs of its command end with these."""
  stand_in(folder, "gcloud", GCLOUD)
  stand_in(folder, "train", TRAIN)
  (folder / "codes").write_text("\n".join(map(str, codes)) + "\n")
  variables = {
    "PATH": f"{folder}:{os.environ['PATH']}", "POLL": "0", "SETUP": "echo setup >> said",
    "NAME": "one", "ZONE": "here", "TYPE": "v5litepod-16", "VERSION": "v2-alpha-tpuv5-lite",
  }  # fmt: skip
  done = subprocess.run(
    [LAUNCH / "queued_resources", "train 'two words'"], cwd=folder, env=variables, timeout=60,
    capture_output=True, text=True,
  )  # fmt: skip
  assert not (folder / "state").exists(), "the slice costs money and is left"
  said = (folder / "said").read_text().splitlines()
  return done.returncode, [line for line in said if "describe" not in line and "ssh" not in line]


def test_a_slice_that_is_taken_is_asked_for_again(tmp_path):
  code, said = queued_resources(tmp_path, 75, "lost", 75, 0)
  made, gone = "queued-resources create one --zone=here", "queued-resources delete one --zone=here"
  runs = ["run two words"] * 2
  assert code == 0
  assert said == [made, "setup", *runs, gone, made, "setup", *runs, gone]


@pytest.mark.parametrize(
  "codes, code, runs", [([77], 77, 1), ([2], 2, 1), ([1, 1, 1], 1, 3), ([1, 75, 1, 1, 0], 0, 5)]
)
def test_what_fails_ends_and_gives_the_slice_back(tmp_path, codes, code, runs):
  got, said = queued_resources(tmp_path, *codes)
  assert got == code and said.count("run two words") == runs and said.count("setup") == 1
