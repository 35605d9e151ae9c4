#!/usr/bin/env bash
# What to run when a GPU is at hand for half an hour, in the order of its worth; results as JSON.
#
#   tests/benchmarks/gpu_half_hour.sh            # says what the steps are
#   tests/benchmarks/gpu_half_hour.sh 1 RESULTS  # one step; so several calls share the half hour
#   tests/benchmarks/gpu_half_hour.sh all        # one after the other
#
# Each step ends within its time, whatever happens, and under 10 minutes; what it has measured by then is in its JSON file.
# RESULTS is a folder; default: $OUT, or the first of gpu-results-1, gpu-results-2, ... that is not there yet.
# PYTHON (python3), DATA (folder of CIFAR-10; without it made-up images), DEVICE (cuda; cpu tries everything with
# stand-ins on few images) and LIMIT (seconds, instead of each step's own) are read from the environment.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3} device=${DEVICE:-cuda}
names=("" correctness core side_by_side accuracy_and_sweep faults)
limits=(0 240 480 420 420 240)
does=("" "the machine, and tests/training/test_gpu.py: recorded steps are steps, bit for bit, for every method"
  "images per second, memory, every method, kernels of a step (and their picture), settings, memory formats, evaluation of one trial"
  "1, 2, 4, 8, 16 trials side by side, in turns and with MPS; several students' steps in one process, one graph or network"
  "accuracy in each precision, and the published experiment from start to end (where Ray is)"
  "faults on purpose: a capture that fails, a full memory, a killed process, a killed neighbour, a loss of NaN")
parts=("" tests "core methods kernels settings formats loop evaluation" "side_by_side stacked together" "accuracy sweep" faults)

usage() {
  echo "usage: gpu_half_hour.sh STEP|all [RESULTS]"
  for step in 1 2 3 4 5; do echo "  $step  ${limits[$step]} s  ${does[$step]}"; done
}

first_free() {
  local number=1
  while [ -e "gpu-results-$number" ]; do number=$((number + 1)); done
  echo "gpu-results-$number"
}

words() {  # of the step: small where only the script is tried
  if [ -n "${DATA:-}" ]; then echo "--data $DATA"; fi
  if [ "$device" = cpu ]; then
    echo "--images 256 --batch 32 --epochs 1 --student-epochs 1 --trials 1 2 --timed-seconds 0.2 --precision fp32"
  fi
}

run() {
  local step=$1 limit=${LIMIT:-${limits[$1]}} file="$results/$1-${names[$1]}" sweep=()
  if [ "$device" = cpu ]; then
    sweep=(--sweep "--mode quick --baselines Direct --runs 1 --train-images 200 --teacher-epochs 1 --student-epochs 1")
  fi
  if [ "$limit" -ge 600 ]; then echo "LIMIT=$limit: a call takes less than 600 seconds" >&2; return 2; fi
  echo "step $step of 5, ${names[$step]}: at most $limit s, into $file.json" >&2
  # shellcheck disable=SC2046,SC2086
  timeout --kill-after=10 "$limit" "$python" "$root/tests/benchmarks/gpu.py" --device "$device" --json "$file.json" \
    --budget "$((limit > 40 ? limit - 15 : limit))" --picture "$file.svg" --parts ${parts[$step]} $(words) ${sweep[@]+"${sweep[@]}"} \
    >"$file.log" 2>&1
  local code=$?
  tail -n 3 "$file.log" | cut -c 1-300
  echo "step $step: exit code $code" >&2
  return "$code"
}

case "${1:-}" in
  [1-5]) steps=$1 ;;
  all) steps="1 2 3 4 5" ;;
  *) usage; [ $# = 0 ]; exit ;;
esac
results=${2:-${OUT:-$(first_free)}}
mkdir -p "$results" || exit
export PYTHONUNBUFFERED=1 PYTHONPATH="$root:$root/tests${PYTHONPATH:+:$PYTHONPATH}"
worst=0
for step in $steps; do run "$step" || worst=1; done
exit "$worst"
