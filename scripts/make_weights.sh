#!/usr/bin/env bash
# Make fsanet_1x1 and fsanet_fusion from the data, in one run. If it is stopped, the same command goes on.
#
#   scripts/make_weights.sh DATA OUTPUT
#
# DATA holds aflw_faces/ and pointing04/ (docs/datasets.md), ict_face_model_light.npz, and the teachers
# tddfa_v2_mb05_rotation.onnx and head-pose-0.4-small-int8.onnx. About seven hours on two cores.
set -euo pipefail

if [ $# != 2 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
data=$(realpath "$1") output=$(realpath -m "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
run=${RUN:-./run}  # tests put another command here
[ -n "${RUN:-}" ] || ./run shell -- true
tddfa=$data/tddfa_v2_mb05_rotation.onnx opentrack=$data/head-pose-0.4-small-int8.onnx

render() { # FOLDER COUNT SEED [--bare]
    local folder=$1 count=$2 seed=$3
    [ -f "$output/$folder/labels.npz" ] ||
        $run render --output "$output/$folder" --count "$count" --seed "$seed" "${@:4}" \
            --processes 2 --model "$data/ict_face_model_light.npz"
}

train() { # RECIPE NAME [options]
    local recipe=$1 name=$2
    [ -f "$output/$recipe/$name.onnx" ] ||
        $run train --recipe "$recipe" --name "$name" --output "$output/$recipe" \
            --data "$data/aflw_faces" --also "pointing04=$data/pointing04" \
            --also "rendered=$output/rendered" --teacher "$tddfa" "${@:3}"
}

further() { # RECIPE NAME WEIGHTS
    train "$1" "$2" --teacher "$opentrack" --also "rendered=$output/bare" --start "$3"
}

fit() { # NAME FOLDER
    $run shell -- python -m fsanet_ros.tools.fit_uncertainty --root "$data/aflw_faces" --weights "$1" \
        --folder "$2" --labels "$output/labels.npz" --recipe finer_1x1
}

render rendered 3500 2
render bare 800 7 --bare
[ -f "$output/labels.npz" ] ||
    $run labels --root "$data/aflw_faces" --teacher "$tddfa" --teacher "$opentrack" --output "$output/labels.npz"
train ours_1x1 ours_1x1
further finer_1x1 finer_1x1 "$output/ours_1x1/ours_1x1.safetensors"
further last_1x1 fsanet_1x1 "$output/finer_1x1/finer_1x1.safetensors"
train ours_variance ours_variance
further finer_variance finer_variance "$output/ours_variance/ours_variance.safetensors"
further last_variance fsanet_variance "$output/finer_variance/finer_variance.safetensors"
$run models fuse "$output/last_1x1/fsanet_1x1.safetensors" "$output/last_variance/fsanet_variance.safetensors" \
    --name fsanet_fusion --mean angles --output "$output/fsanet_fusion"
fit fsanet_1x1 "$output/last_1x1"
fit fsanet_fusion "$output/fsanet_fusion"
echo "Done: $output/last_1x1/fsanet_1x1.onnx and $output/fsanet_fusion/fsanet_fusion.onnx"
