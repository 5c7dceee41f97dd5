package main

import "strings"

// An act is one thing that a user does, and how it is done with kubectl.
type act struct {
	name, stdin string
	args        []string
	fails       bool // there is nothing behind the API server that could do it
	silent      bool // no webhook is asked
}

// podSpec names an image in each place that there is when a Pod is created.
const podSpec = `{
  "initContainers": [{"name": "init", "image": "registry.example/apps/init:1"}, {"name": "side", "image": "registry.example/apps/side:1", "restartPolicy": "Always"}],
  "containers": [{"name": "main", "image": "registry.example/apps/main:1", "resources": {"requests": {"cpu": "10m"}}}],
  "volumes": [{"name": "data", "image": {"reference": "registry.example/apps/data:1"}}, {"name": "tmp", "emptyDir": {}}]}`

// workload returns an object with a Pod template.
func workload(apiVersion, kind, more string, spec string) string {
	return `{"apiVersion": "` + apiVersion + `", "kind": "` + kind + `", "metadata": {"name": "app", "labels": {"app": "app"}}, "spec": {` + more +
		`"template": {"metadata": {"labels": {"app": "app"}}, "spec": ` + spec + `}}}`
}

const selector = `"selector": {"matchLabels": {"app": "app"}}, `

func once(spec string) string {
	return strings.Replace(spec, "{", `{"restartPolicy": "Never", `, 1)
}

// creations are one object of each kind that makes Pods.
func creations() map[string]string {
	return map[string]string{
		"pod":                   `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "labels": {"app": "app"}}, "spec": ` + podSpec + `}`,
		"deployment":            workload("apps/v1", "Deployment", `"replicas": 2, `+selector, podSpec),
		"statefulset":           workload("apps/v1", "StatefulSet", `"serviceName": "app", `+selector, podSpec),
		"daemonset":             workload("apps/v1", "DaemonSet", selector, podSpec),
		"replicaset":            workload("apps/v1", "ReplicaSet", selector, podSpec),
		"replicationcontroller": workload("v1", "ReplicationController", `"selector": {"app": "app"}, `, podSpec),
		"job":                   workload("batch/v1", "Job", "", once(podSpec)),
		"cronjob":               `{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "app"}, "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": ` + once(podSpec) + `}}}}}`,
		"podtemplate":           `{"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "app"}, "template": {"metadata": {"labels": {"app": "app"}}, "spec": ` + podSpec + `}}`,
	}
}

// kinds are the names of the creations in the order of the acts.
func kinds() []string {
	return []string{"pod", "deployment", "statefulset", "daemonset", "replicaset", "replicationcontroller", "job", "cronjob", "podtemplate"}
}

// acts are what is recorded, in order.
func acts() []act {
	var all []act
	do := func(name, stdin string, args ...string) {
		all = append(all, act{name: name, stdin: stdin, args: args})
	}
	create := []string{"create", "-f", "-"}
	for _, k := range kinds() {
		do(k+"-create", creations()[k], create...)
	}
	do("pod-dry-run", strings.Replace(creations()["pod"], `"app"`, `"dry"`, 1), append(create, "--dry-run=server")...)
	do("pod-generate-name", strings.Replace(creations()["pod"], `"name": "app"`, `"generateName": "app-"`, 1), create...)
	do("pod-apply-server-side", strings.Replace(creations()["pod"], `"name": "app"`, `"name": "applied"`, 1), "apply", "--server-side", "-f", "-")
	do("job-from-cronjob", "", "create", "job", "again", "--from=cronjob/app")
	do("pod-debug", "", "debug", "app", "--image=registry.example/apps/debug:1", "--target=main", "--container=debug", "--profile=general", "--attach=false")
	do("pod-set-image", "", "set", "image", "pod/app", "main=registry.example/apps/main:2")
	do("pod-label", "", "label", "pod", "app", "tier=front")
	do("pod-annotate", "", "annotate", "pod", "app", "note=hello")
	do("pod-status", "", "patch", "pod", "app", "--subresource=status", "--type=merge", "-p", `{"status":{"phase":"Running"}}`)
	do("pod-resize", "", "patch", "pod", "app", "--subresource=resize", "-p", `{"spec":{"containers":[{"name":"main","resources":{"requests":{"cpu":"20m"}}}]}}`)
	do("deployment-scale", "", "scale", "deployment", "app", "--replicas=3")
	do("deployment-set-image", "", "set", "image", "deployment/app", "main=registry.example/apps/main:2")
	do("deployment-annotate", "", "annotate", "deployment", "app", "note=hello")
	do("deployment-restart", "", "rollout", "restart", "deployment/app")
	do("deployment-delete", "", "delete", "deployment", "app", "--wait=false")
	do("pod-delete", "", "delete", "pod", "app", "--wait=false", "--grace-period=0", "--force")
	do("pod-delete-collection", "", "delete", "pods", "--all", "--wait=false", "--grace-period=0", "--force")
	do("job-delete", "", "delete", "job", "app", "--wait=false", "--cascade=orphan")
	all = append(all, act{name: "pod-exec", args: []string{"exec", "bound", "--", "true"}, fails: true})
	return bound(all)
}

// bound puts before the last act what a scheduler would do, so that there is a
// Pod on a node that something can be run in.
func bound(all []act) []act {
	last := all[len(all)-1]
	binding := `{"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "bound"}, "target": {"apiVersion": "v1", "kind": "Node", "name": "node"}}`
	return append(all[:len(all)-1],
		act{name: "pod-run", args: []string{"run", "bound", "--image=registry.example/apps/main:1"}},
		act{name: "pod-bind", stdin: binding, args: []string{"create", "--raw", "/api/v1/namespaces/recorded/pods/bound/binding", "-f", "-"}},
		act{name: "pod-running", args: []string{"patch", "pod", "bound", "--subresource=status", "--type=merge", "-p", `{"status":{"phase":"Running"}}`}},
		last,
		act{name: "pod-evict", stdin: `{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "bound"}}`, args: []string{"create", "--raw", "/api/v1/namespaces/recorded/pods/bound/eviction", "-f", "-"}},
	)
}
