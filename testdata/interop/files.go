package main

// files are the documents that are attached and attested: one for each
// predicate type, as small as its specification allows.
func files() map[string]string {
	return map[string]string{
		"spdx.json": `{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"interop",` +
			`"documentNamespace":"https://example.com/spdx/interop","creationInfo":{"created":"2024-01-01T00:00:00Z","creators":["Tool: interop-1"]},` +
			`"packages":[{"SPDXID":"SPDXRef-a","name":"a","versionInfo":"1","downloadLocation":"NOASSERTION"}],` +
			`"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-a"}]}`,
		"cdx.json": `{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"serialNumber":"urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",` +
			`"components":[{"type":"library","name":"a","version":"1"}]}`,
		"slsa1.json": `{"buildDefinition":{"buildType":"https://example.com/build/v1","externalParameters":{"ref":"main"}},` +
			`"runDetails":{"builder":{"id":"https://example.com/builder"}}}`,
		"vuln.json": `{"invocation":{"parameters":[],"uri":"https://example.com/run/1","event_id":"1","builder.id":"b"},` +
			`"scanner":{"uri":"https://example.com/scanner","version":"1","db":{"uri":"https://example.com/db","version":"1"},"result":{"found":0}},` +
			`"metadata":{"scanStartedOn":"2024-01-01T00:00:00Z","scanFinishedOn":"2024-01-01T00:01:00Z"}}`,
		"vex.json": `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.com/vex/1","author":"interop","timestamp":"2024-01-01T00:00:00Z","version":1,` +
			`"statements":[{"vulnerability":{"name":"CVE-2024-0001"},"products":[{"@id":"pkg:generic/a@1"}],"status":"not_affected","justification":"component_not_present"}]}`,
		"custom.json": `{"a":1}`,
	}
}
