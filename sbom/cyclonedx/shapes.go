package cyclonedx

import "strings"

// shapesText lays down what the objects of a BOM may hold. A line is an object
// and its members, each written
//
//	name[!][@minor][:type]
//
// with ! for a member that must be there, @6 for one that came with version 1.6,
// and a type that is another object, a kind (see kinds), a list "[]type", or a
// choice of words "a|b|c". Without a type anything goes: the parts of a BOM
// that say nothing about what the subject is made of are not looked into.
const shapesText = `
bom $schema:string bomFormat!:string specVersion!:string serialNumber:serial version:positive metadata:metadata components:[]component services:[]service externalReferences:[]reference dependencies:[]dependency compositions@3:[]composition vulnerabilities@4:[]vulnerability annotations@5:[]any formulation@5:[]any declarations@6:any definitions@6:any citations@7:[]any properties@5:[]property signature@4:any
metadata timestamp:time lifecycles@5:[]any tools:any manufacturer@6:entity authors:[]contact component:component manufacture:entity supplier:entity licenses@3:licenses properties@3:[]property distributionConstraints@7:any
component type!:componentType mime-type:mime bom-ref:ref supplier:entity manufacturer@6:entity authors@6:[]contact author:string publisher:string group:string name!:string version:string versionRange@7:string isExternal@7:bool description:string scope:required|optional|excluded hashes:[]hash licenses:licenses copyright:string patentAssertions@7:[]any cpe:string purl:string omniborId@6:[]string swhid@6:[]string swid:swid modified:bool pedigree:pedigree externalReferences:[]reference components:[]component evidence@3:evidence releaseNotes@4:notes modelCard@5:any data@5:[]any cryptoProperties@6:any properties@3:[]property tags@6:[]string signature@4:any
entity bom-ref@5:ref name:string address@6:any url:[]string contact:[]contact
contact bom-ref@5:ref name:string email:string phone:string
hash alg!:hashAlg content!:hashValue
license bom-ref@5:ref id:licenseID name:string acknowledgement@6:declared|concluded text:attachment url:string licensing@5:any properties@5:[]property
attachment contentType:string encoding:base64 content!:string
swid tagId!:string name!:string version:string tagVersion:integer patch:bool text:attachment url:string
pedigree ancestors:[]component descendants:[]component variants:[]component commits:[]commit patches:[]patch notes:string
commit uid:string url:string author:action committer:action message:string
action timestamp:time name:string email:string
patch type!:unofficial|monkey|backport|cherry-pick diff:diff resolves:[]issue
diff text:attachment url:string
issue type!:defect|enhancement|security id:string name:string description:string source:any references:[]string
reference url!:any comment:string type!:string hashes@3:[]hash properties@7:[]property
evidence identity@5:any occurrences@5:[]occurrence callstack@5:any licenses:licenses copyright:[]any
occurrence bom-ref:ref location!:string line@6:integer offset@6:integer symbol@6:string additionalContext@6:string
notes type!:string title:string featuredImage:string socialImage:string description:string timestamp:time aliases:[]string tags:[]string resolves:[]issue notes:[]any properties:[]property
dependency ref!:ref dependsOn:[]ref provides@6:[]ref
composition bom-ref@5:ref aggregate!:aggregate assemblies:[]string dependencies:[]string vulnerabilities@5:[]string signature@4:any
service bom-ref:ref provider:entity group:string name!:string version:string description:string endpoints:[]string authenticated:bool x-trust-boundary:bool trustZone@5:string data:[]data licenses:licenses patentAssertions@7:[]any externalReferences:[]reference services:[]service releaseNotes@4:notes properties@3:[]property tags@6:[]string signature@4:any
data flow!:inbound|outbound|bi-directional|unknown classification!:string name@5:string description@5:string governance@5:any source@5:[]any destination@5:[]any
property name:string value:string
vulnerability bom-ref:ref id:string source:any references:[]any ratings:[]any cwes:[]integer description:string detail:string recommendation:string workaround@5:string proofOfConcept@5:any advisories:[]any created:time published:time updated:time rejected@5:time credits:any tools:any analysis:any affects:[]any properties:[]property
`

// A shape is what an object may hold, by name of the member.
type shape map[string]member

type member struct {
	kind   string
	must   bool
	since  int // minor version
	inList bool
}

// shapes reads shapesText.
func shapes() map[string]shape {
	all := make(map[string]shape)
	for line := range strings.Lines(strings.TrimSpace(shapesText)) {
		fields := strings.Fields(line)
		s := make(shape, len(fields)-1)
		for _, f := range fields[1:] {
			name, kind, _ := strings.Cut(f, ":")
			m := member{since: 2}
			if before, minor, ok := strings.Cut(name, "@"); ok {
				name, m.since = before, int(minor[0]-'0')
			}
			name, m.must = strings.CutSuffix(name, "!")
			m.kind, m.inList = strings.CutPrefix(kind, "[]")
			s[name] = m
		}
		all[fields[0]] = s
	}
	return all
}
