"""Many runs at once that lose nothing: what is to be trained, who trains what, how far it is.

WORKDIR/manifest.json        the trials, each an id and what it changes; written once
WORKDIR/configs/ID.json      the resolved config of a trial
WORKDIR/runs/ID/             its run, an ordinary one, and beside the run's own files
  attempts/N.json, N.end     who tried it and when, and how that ended
  result.json                what came of it; written once
  log.txt                    what its processes said
WORKDIR/cancelled, resumed   nothing more is to be started; what failed is to be tried again

An id is a hash of the config and of the data, so that the same trial is the same folder. States are
read off these files and stored nowhere.
"""
