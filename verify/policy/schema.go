package policy

import _ "embed"

// schema is the text of schema.json.
//
//go:embed schema.json
var schema string

// Schema returns the JSON schema (draft 2020-12) of hallmark's own policies. It refuses
// no policy that [Parse] takes, and takes some that Parse refuses: that a key is one,
// that a threshold can be met or that a condition compiles is beyond a schema.
func Schema() string { return schema }
