#!/bin/bash
# Written by `trimtab study ... --launcher slurm`; the next submission writes it anew.
@HEADER@

@SETUP@

@WORK@

# When the time is nearly up, Slurm says so to this script with USR1: the program saves what it has and ends, and the job goes back
# into the queue. When Slurm stops the job itself, it sends TERM to the program too, and the script has only to wait.
again=
trap 'again=1; kill -TERM "$program"' USR1
trap : TERM
"${work[@]}" &
program=$!
# A trap ends `wait` before the program has ended, with 128 and the signal's number: USR1 is 10, TERM is 15.
while wait "$program"; code=$?; [ "$code" -eq 138 ] || [ "$code" -eq 143 ]; do :; done
# 130: it was told to stop, and can go on from what it saved.
if [ -n "$again" ] && [ "$code" -eq 130 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
