package main

// trust is hallmark fetching the trusted root, from a mirror that is good, that
// fails, and that lies. Whatever it does, what was fetched before stays.
func trust() group {
	const again = "trust init -f json"
	steps := []step{
		{name: "nothing is trusted before", by: ours, exit: 2, reason: "trust-none", args: "trust show -f json"},
		{name: "hallmark fetches the root", by: ours, args: "trust init --mirror $TUF --root $DIR/root.json"},
		{name: "and again", by: ours, args: again},
		{name: "it shows what it holds", by: ours, args: "trust show -f json"},
		{name: "and prints it", by: ours, args: "trust show -f trusted-root -o fetched.json"},
		{name: "cosign 3 takes that", by: cosign3, args: "verify" + plain + person + " --trusted-root fetched.json $image_tuf"},
	}
	for _, f := range []struct{ name, fault, reason string }{
		{"not from a mirror that is gone", "tuf: drop", "trust-unreachable"},
		{"not from a broken one", "tuf: status status=503", "trust-unreachable"},
		{"not from one that refuses to tell of new roots", "tuf: status status=403 match=root.json", "trust-unreachable"},
		{"not from half a timestamp", "tuf: truncate match=timestamp.json", "trust-unreachable"},
		{"not from noise", "tuf: garbage match=timestamp.json", "trust-malformed"},
		{"not from another file", "tuf: other match=timestamp.json", "trust-malformed"},
		{"not from a document with one bit turned", "tuf: flip match=trusted_root.json", "trust-digest"},
		{"not from a document that is another", "tuf: other match=trusted_root.json", "trust-digest"},
	} {
		steps = append(steps, step{name: f.name, by: ours, exit: 2, reason: f.reason, fault: f.fault, args: again})
	}
	steps = append(steps,
		step{name: "a slow one will do", by: ours, fault: "tuf: delay delay=100ms", args: again},
		step{name: "what was fetched is there", by: ours, args: "trust show"},
	)
	return group{"hallmark and TUF", steps}
}
