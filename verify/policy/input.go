package policy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/verify"
)

// partRule is the name of the check that the part of a whole policy makes.
const partRule = "policy"

// An input is what the part of a whole policy is shown, in the policy-controller's
// words.
type input struct {
	AuthorityMatches map[string]match          `json:"authorityMatches,omitempty"`
	Config           map[string]*v1.ConfigFile `json:"config,omitempty"`
	Spec             any                       `json:"spec,omitempty"`
	Metadata         any                       `json:"metadata,omitempty"`
	TypeMeta         any                       `json:"typemeta,omitempty"`
}

// A match is what an authority found.
type match struct {
	Signatures   []vouched            `json:"signatures,omitempty"`
	Attestations map[string][]vouched `json:"attestations,omitempty"`
	Static       bool                 `json:"static,omitempty"`
}

// A vouched is a signature, or an attestation where it has a type and a digest.
type vouched struct {
	ID            string `json:"id,omitempty"`
	Subject       string `json:"subject,omitempty"`
	Issuer        string `json:"issuer,omitempty"`
	Trigger       string `json:"githubWorkflowTrigger,omitempty"`
	SHA           string `json:"githubWorkflowSha,omitempty"`
	Name          string `json:"githubWorkflowName,omitempty"`
	Repository    string `json:"githubWorkflowRepo,omitempty"`
	Ref           string `json:"githubWorkflowRef,omitempty"`
	PredicateType string `json:"predicateType,omitempty"`
	Digest        string `json:"digest,omitempty"`
}

// add notes what was accepted under the authority's rule i.
func (m *match) add(a *authority, i int, c verify.Check) {
	for _, e := range c.Evidence {
		if e.Outcome != verify.Accept {
			continue
		}
		s := vouched{ID: idOf(e.Attachment)}
		if who := e.Identity; who != nil {
			w := who.Workflow
			s.Subject, s.Issuer = who.Subject, who.Issuer
			s.Trigger, s.SHA, s.Name, s.Repository, s.Ref = w.Trigger, w.SHA, w.Name, w.Repository, w.Ref
		}
		if i >= len(a.attested) {
			m.Signatures = append(m.Signatures, s)
			continue
		}
		as := a.attested[i]
		s.PredicateType, s.Digest = as.typ, e.Attachment.Desc.Digest.String()
		if m.Attestations == nil {
			m.Attestations = make(map[string][]vouched)
		}
		m.Attestations[as.name] = append(m.Attestations[as.name], s)
	}
}

// idOf tells signatures apart: the SHA-256 of the signature and the certificate beside
// it, as the policy-controller makes it. What has neither beside it has that of itself.
func idOf(a attach.Attachment) string {
	sig, err := base64.StdEncoding.DecodeString(a.Annotations[cosign.SignatureAnnotation])
	block, _ := pem.Decode([]byte(a.Annotations[cosign.CertificateAnnotation]))
	if err != nil || len(sig) == 0 && block == nil {
		return a.ID().String()
	}
	h := sha256.New()
	h.Write(sig)
	if block != nil {
		h.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// judged has the part of the policy judge what the authorities found. tried are the
// checks of all authorities: where one could not tell, the part was not shown all that
// there is, and its yes is none.
func (e *entry) judged(ctx context.Context, q *question, found map[string]match, tried [][]verify.Check) verify.Check {
	in := input{AuthorityMatches: found}
	if e.show.object() {
		o := q.object
		if o == nil || o.Kind == "" {
			return open(partRule, verify.ObjectUnknown, "the policy judges the Kubernetes object that asks for the image, and none was given; hallmark admit does")
		}
		if e.show.spec {
			in.Spec = o.Spec
		}
		if e.show.objectMeta {
			in.Metadata = o.Metadata
		}
		if e.show.typeMeta {
			in.TypeMeta = map[string]string{"kind": o.Kind, "apiVersion": o.apiVersion()}
		}
	}
	if e.show.config {
		c := configs{question: q, found: make(map[string]*v1.ConfigFile)}
		if err := c.read(ctx, q.subject.Desc.Digest, 0); err != nil {
			return unread(err)
		}
		in.Config = c.found
	}
	raw, err := json.Marshal(in)
	if err == nil && len(raw) > MaxInput {
		err = fmt.Errorf("more than %d bytes to judge: %w", MaxInput, attach.ErrLimit)
	}
	if err != nil {
		return unread(err)
	}
	c, timed := e.part.judge(ctx, q.set.evaluator, partRule, raw)
	if timed {
		c.Until = q.set.now()
	}
	for i, checks := range tried {
		for _, found := range checks { // what the part was shown holds no longer than this
			c.Until = earlier(c.Until, found.Until)
		}
		if o := outcome(checks); c.Outcome == verify.Accept && o == verify.Undetermined {
			return open(partRule, verify.PolicyNotMet, "met by what was found, but of authority "+e.any[i].name+" nothing could be told")
		}
	}
	return c
}

func (o *Object) apiVersion() string {
	if o.Group == "" {
		return o.Version
	}
	return o.Group + "/" + o.Version
}

// unread returns the check of a part that could not be shown what it wants to see.
func unread(err error) verify.Check {
	c := open(partRule, verify.Unreachable, err.Error())
	if attach.Judged(err) {
		c.Outcome, c.Reason = verify.Reject, verify.PayloadMalformed
	}
	return c
}

// configs collects the configurations of an image, and of all images of an index, by
// their platform.
type configs struct {
	*question
	found map[string]*v1.ConfigFile
	count int
}

func (c *configs) read(ctx context.Context, digest v1.Hash, depth int) error {
	if c.count++; c.count > maxConfigs || depth > maxConfigDepth {
		return fmt.Errorf("more than %d manifests, or more than %d deep: %w", maxConfigs, maxConfigDepth, attach.ErrLimit)
	}
	m, err := c.reader.Manifest(ctx, c.subject, digest)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", digest, err)
	}
	if m.Desc.MediaType.IsIndex() {
		index, err := v1.ParseIndexManifest(bytes.NewReader(m.Raw))
		if err != nil {
			return fmt.Errorf("index %s: %v: %w", digest, err, attach.ErrMalformed)
		}
		for _, d := range index.Manifests {
			if err := c.read(ctx, d.Digest, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	image, err := v1.ParseManifest(bytes.NewReader(m.Raw))
	if err != nil {
		return fmt.Errorf("manifest %s: %v: %w", digest, err, attach.ErrMalformed)
	}
	return c.config(ctx, image.Config)
}

func (c *configs) config(ctx context.Context, d v1.Descriptor) error {
	if d.Size > maxConfig {
		return fmt.Errorf("configuration %s has %d bytes, at most %d are read: %w", d.Digest, d.Size, maxConfig, attach.ErrLimit)
	}
	rc, err := c.reader.Blob(ctx, c.subject, d)
	if err != nil {
		return fmt.Errorf("configuration %s: %w", d.Digest, err)
	}
	raw, err := attach.ReadAll(rc, d, maxConfig)
	if err != nil {
		return fmt.Errorf("configuration %s: %w", d.Digest, err)
	}
	file, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("configuration %s: %v: %w", d.Digest, err, attach.ErrMalformed)
	}
	of := v1.Platform{OS: file.OS, Architecture: file.Architecture, OSVersion: file.OSVersion, Variant: file.Variant}
	c.found[of.String()] = file
	return nil
}
