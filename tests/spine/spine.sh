#!/usr/bin/env bash
# The acceptance script of the spine: unmodified clients against `cove up --nodes simulated --drain-timeout 5s`.
# In the environment: COVE (the binary), KUBECTL and HELM (which ones), VERSION and AMI_TYPE (optional), and the data
# directory that `cove up` runs with (COVE_DATA_DIR). Prints each step; ends with `spine: passed`.
set -euo pipefail
cd "$(dirname "$0")"
cove=${COVE:?} kubectl=${KUBECTL:-kubectl} helm=${HELM:-helm}
cluster=my-cluster

step() { printf '\n== %s\n' "$*"; }
fail() { echo "spine: FAILED: $*" >&2; exit 1; }
expect() { # expect WHAT WANTED GOT
    [ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"
}
# Waits, at most two minutes, until a command prints the wanted text.
until_prints() { # until_prints WANTED COMMAND...
    local wanted=$1 got=; shift
    for _ in $(seq 240); do
        got=$("$@" 2>&1) && [ "$got" = "$wanted" ] && return
        read -rt 0.5 <> <(:) || true
    done
    fail "'$*' prints '$got', wanted '$wanted'"
}
# A command's output must contain a pattern. (Not a pipe into grep -q, which would end the command early.)
shows() { # shows PATTERN COMMAND...
    local pattern=$1 got; shift
    got=$("$@" 2>&1) || true
    grep -qi -- "$pattern" <<<"$got" || fail "'$*' does not show '$pattern': $got"
}
k() { "$kubectl" "$@"; }

step "environment and identity"
eval "$("$cove" env)"
expect account 123456789012 "$(aws sts get-caller-identity --query Account --output text)"
subnets=$(aws ec2 describe-subnets --filters Name=default-for-az,Values=true \
    --query 'Subnets[].SubnetId' --output text | tr '\t' '\n' | head -3 | paste -sd' ')
expect subnets 3 "$(wc -w <<<"$subnets")"

step "roles"
aws iam create-role --role-name eks-cluster --assume-role-policy-document file://trust-eks.json >/dev/null
aws iam attach-role-policy --role-name eks-cluster --policy-arn arn:aws:iam::aws:policy/AmazonEKSClusterPolicy
aws iam create-role --role-name eks-node --assume-role-policy-document file://trust-ec2.json >/dev/null
for policy in AmazonEKSWorkerNodePolicy AmazonEKS_CNI_Policy AmazonEC2ContainerRegistryReadOnly; do
    aws iam attach-role-policy --role-name eks-node --policy-arn "arn:aws:iam::aws:policy/$policy"
done
cluster_role=$(aws iam get-role --role-name eks-cluster --query Role.Arn --output text)
node_role=$(aws iam get-role --role-name eks-node --query Role.Arn --output text)

step "cluster"
aws eks create-cluster --name $cluster --role-arn "$cluster_role" ${VERSION:+--kubernetes-version $VERSION} \
    --resources-vpc-config "subnetIds=${subnets// /,}" --query cluster.status --output text
aws eks wait cluster-active --name $cluster

step "node group"
# shellcheck disable=SC2086 # subnets is a list
aws eks create-nodegroup --cluster-name $cluster --nodegroup-name my-ng --instance-types t3.medium \
    --scaling-config minSize=2,maxSize=5,desiredSize=3 --subnets $subnets --node-role "$node_role" \
    ${AMI_TYPE:+--ami-type $AMI_TYPE} --query nodegroup.status --output text
aws eks wait nodegroup-active --cluster-name $cluster --nodegroup-name my-ng

step "kubeconfig and nodes"
aws eks update-kubeconfig --name $cluster >/dev/null
k version
k get nodes -o wide
expect "ready nodes" 3 "$(k get nodes --no-headers | grep -cw Ready)"
expect zones 3 "$(k get nodes -o jsonpath='{range .items[*]}{.metadata.labels.topology\.kubernetes\.io/zone}{"\n"}{end}' | sort -u | wc -l)"
expect "max pods" "17 17 17" "$(k get nodes -o jsonpath='{.items[*].status.allocatable.pods}')"
expect label my-ng "$(k get nodes -l eks.amazonaws.com/capacityType=ON_DEMAND -o jsonpath='{.items[0].metadata.labels.eks\.amazonaws\.com/nodegroup}')"

step "a deployment"
k create deployment web --image=nginx --replicas=6
k rollout status deployment/web --timeout=60s
expect "running pods" 6 "$(k get pods -l app=web --no-headers | grep -cw Running)"
k expose deployment web --port=80
until_prints 6 bash -c "$kubectl get endpointslices -l kubernetes.io/service-name=web -o json | python3 -c 'import json,sys; print(sum(len(s[\"endpoints\"]) for s in json.load(sys.stdin)[\"items\"]))'"

step "apply, apply again, diff"
k apply -f manifests.yaml
k -n shop rollout status deployment/shop --timeout=60s
again=$(k apply -f manifests.yaml)
echo "$again"
# kubectl itself sends a budget's selector each time, since it is replaced as a whole, and says "configured".
expect "everything unchanged" poddisruptionbudget.policy/shop "$(sed -n 's/ configured$//p' <<<"$again" | paste -sd' ')"
expect "empty diff" "" "$(k diff -f manifests.yaml)"

step "everyday verbs"
shows maxSurge k explain deployment.spec.strategy.rollingUpdate
shows NewReplicaSet k describe deployment web
shows 'Allocated resources' k describe node "$(k get nodes -o jsonpath='{.items[0].metadata.name}')"
k label deployment web tier=front
k annotate deployment web note=hello
k scale deployment web --replicas=4
k rollout status deployment/web --timeout=60s
until_prints 4 bash -c "$kubectl get pods -l app=web --no-headers | wc -l"
KUBE_EDITOR="sed -i s/tier:.front/tier:\ back/" k edit deployment web
expect edited back "$(k get deployment web -o jsonpath='{.metadata.labels.tier}')"
k patch deployment web --type=merge -p '{"spec":{"minReadySeconds":1}}'
k patch deployment web --type=json -p '[{"op":"remove","path":"/metadata/annotations/note"}]'
k patch deployment web -p '{"spec":{"template":{"spec":{"containers":[{"name":"nginx","image":"nginx:1.27"}]}}}}'
k rollout status deployment/web --timeout=90s
k rollout undo deployment/web
k rollout status deployment/web --timeout=90s
expect "image after undo" nginx "$(k get deployment web -o jsonpath='{.spec.template.spec.containers[0].image}')"
k set image deployment/web nginx=nginx:1.28
k wait deployment/web --for=condition=Available --timeout=60s
shows 'kind: Deployment' k get deployment web -o yaml
k get deployment web -o json | python3 -m json.tool >/dev/null
k get pods -A -o wide
shows Scheduled k get events -A
shows ScalingReplicaSet k events
expect can-i yes "$(k auth can-i create deployments)"
expect "can-i as the service account" no "$(k auth can-i delete pods --as=system:serviceaccount:shop:shop -n shop || true)"
expect "can-i through a role" yes "$(k auth can-i get configmaps --as=system:serviceaccount:shop:shop -n shop)"
k auth whoami
shows deployments k api-resources
shows simulated k logs deployment/web
coproc WATCH { exec "$kubectl" get configmaps -w --no-headers -n default; }
k create configmap watched --from-literal=a=b
timeout 20 grep -qm1 watched <&"${WATCH[0]}" || fail "get -w"
kill "$WATCH_PID" 2>/dev/null; wait "$WATCH_PID" 2>/dev/null || true
k delete configmap watched
# The namespace goes first, and what is in it may be gone before kubectl asks for it.
k delete -f manifests.yaml --ignore-not-found --timeout=90s

step "helm"
"$helm" install shop chart --wait --timeout 60s
"$helm" upgrade shop chart --set replicas=3,greeting=hi --wait --timeout 60s
expect upgraded hi "$(k get configmap shop-settings -o jsonpath='{.data.greeting}')"
"$helm" rollback shop 1 --wait --timeout 60s
expect "rolled back" hello "$(k get configmap shop-settings -o jsonpath='{.data.greeting}')"
expect revisions 3 "$("$helm" history shop -o json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')"
"$helm" uninstall shop --wait --timeout 60s

step "five nodes"
aws eks update-nodegroup-config --cluster-name $cluster --nodegroup-name my-ng \
    --scaling-config minSize=2,maxSize=5,desiredSize=5 --query update.status --output text
until_prints 5 bash -c "$kubectl get nodes --no-headers | grep -cw Ready"

step "a terminated instance is replaced"
victim=$(k get nodes -o jsonpath='{.items[0].spec.providerID}'); victim=${victim##*/}
aws ec2 terminate-instances --instance-ids "$victim" --query 'TerminatingInstances[0].CurrentState.Name' --output text
until_prints 0 bash -c "$kubectl get nodes -o jsonpath='{.items[*].spec.providerID}' | grep -c $victim || true"
until_prints 5 bash -c "$kubectl get nodes --no-headers | grep -cw Ready"

step "refusals"
shows 'Cluster has nodegroups attached' aws eks delete-cluster --name $cluster
shows 'is invalid: metadata.name: Invalid value: "Bad_Name"' k create -f - <<<'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"Bad_Name"},"spec":{"containers":[{"name":"a","image":"b"}]}}'
shows SignatureDoesNotMatch env AWS_SECRET_ACCESS_KEY=wrong aws sts get-caller-identity
shows 'unauthorized\|must be logged in\|asked for the client to provide credentials' env AWS_SECRET_ACCESS_KEY=wrong "$kubectl" get pods

step "deletion"
aws eks delete-nodegroup --cluster-name $cluster --nodegroup-name my-ng --query nodegroup.status --output text
aws eks wait nodegroup-deleted --cluster-name $cluster --nodegroup-name my-ng
aws eks delete-cluster --name $cluster --query cluster.status --output text
aws eks wait cluster-deleted --name $cluster
expect "instances left" "" "$(aws ec2 describe-instances --filters Name=instance-state-name,Values=pending,running,stopping,stopped,shutting-down --query 'Reservations[].Instances[].InstanceId' --output text)"
expect "groups left" "" "$(aws autoscaling describe-auto-scaling-groups --query 'AutoScalingGroups[].AutoScalingGroupName' --output text)"
expect "launch templates left" "" "$(aws ec2 describe-launch-templates --query 'LaunchTemplates[].LaunchTemplateId' --output text)"
expect "instance profiles left" "" "$(aws iam list-instance-profiles --query 'InstanceProfiles[].InstanceProfileName' --output text)"
expect "security groups left" "default" "$(aws ec2 describe-security-groups --query 'SecurityGroups[].GroupName' --output text | tr '\t' '\n' | sort -u | paste -sd' ')"

step "eksctl's verbs"
"$cove" create cluster --name my-prod-cluster
"$cove" create nodegroup --cluster my-prod-cluster --name app-ng --node-type m5.large --nodes 3 --nodes-min 2 --nodes-max 5 --managed
"$cove" get nodegroup --cluster my-prod-cluster
aws eks update-kubeconfig --name my-prod-cluster >/dev/null
expect "ready nodes of my-prod-cluster" 3 "$(k get nodes --no-headers | grep -cw Ready)"
expect "max pods of an m5.large" "29 29 29" "$(k get nodes -o jsonpath='{.items[*].status.allocatable.pods}')"
"$cove" scale nodegroup --cluster my-prod-cluster --name app-ng --nodes 2
until_prints 2 bash -c "$kubectl get nodes --no-headers | grep -cw Ready"
"$cove" delete cluster --name my-prod-cluster
expect "clusters left" "" "$(aws eks list-clusters --query 'clusters' --output text)"

echo
echo "spine: passed"
