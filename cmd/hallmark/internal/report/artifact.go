package report

import (
	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
)

// Pushed is the answer of push.
type Pushed struct {
	Image   string `json:"image"`
	Subject string `json:"subject"`
	Digest  string `json:"digest"`
	Size    int64  `json:"size"` // of the manifest
	Form    string `json:"form"`
	Type    string `json:"type,omitempty"`
	Layers  []File `json:"layers"`
}

// File is a file or directory in an artifact.
type File struct {
	Name      string `json:"name"`
	MediaType string `json:"mediaType,omitempty"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// NewPushed tells what was stored, and where. The name is what the user typed, and
// files are what each layer holds.
func NewPushed(name string, s attach.Subject, m artifact.Manifest, files []string) Pushed {
	p := Pushed{
		Image: name, Subject: s.Repo, Digest: s.Desc.Digest.String(), Size: s.Desc.Size,
		Form: string(m.Form), Type: m.Type, Layers: []File{},
	}
	if p.Type == "" {
		p.Type = m.ConfigType
	}
	for i, l := range m.Layers {
		p.Layers = append(p.Layers, File{Name: files[i], MediaType: l.MediaType, Digest: l.Body.Digest.String(), Size: l.Body.Size})
	}
	return p
}

func (Pushed) kind() string { return "pushed" }

func (p Pushed) text(out *printer) {
	out.linef("%s", p.Image)
	out.linef("  digest %s", p.Digest)
	if p.Type != "" {
		out.linef("  stored in %s form as %s", p.Form, p.Type)
	} else {
		out.linef("  stored in %s form", p.Form)
	}
	for _, f := range p.Layers {
		out.linef("  %s %s (%s)", f.Name, short(f.Digest), size(f.Size))
	}
}

// Pulled is the answer of pull.
type Pulled struct {
	Image     string `json:"image"`
	Digest    string `json:"digest"`
	Directory string `json:"directory"`
	// Verified says that an accepted key signed the artifact.
	Verified bool   `json:"verified"`
	Files    []File `json:"files"`
}

// NewPulled tells what was fetched.
func NewPulled(name, digest, dir string, verified bool, files []artifact.File) Pulled {
	p := Pulled{Image: name, Digest: digest, Directory: dir, Verified: verified, Files: []File{}}
	for _, f := range files {
		p.Files = append(p.Files, File{Name: f.Name, Digest: f.Digest.String(), Size: f.Size})
	}
	return p
}

func (Pulled) kind() string { return "pulled" }

func (p Pulled) text(out *printer) {
	out.linef("%s", p.Image)
	out.linef("  digest %s", p.Digest)
	if p.Verified {
		out.linef("  signed by accepted keys")
	}
	for _, f := range p.Files {
		out.linef("  %s/%s %s (%s)", p.Directory, f.Name, short(f.Digest), size(f.Size))
	}
}
