// Package sbom is the door to inventories: what an image is made of.
//
// An [Inventory] lists the components of one subject, where each was found and
// how they depend on each other. It is free of any document format: the rooms
// sbom/spdx and sbom/cyclonedx translate, sbom/format chooses among them, and
// sbom/scan takes the inventory of an image.
//
// An inventory is canonical after [Inventory.Sort]: the same components give
// the same order, whatever order they were found in, so that the documents
// made from it are the same bytes each time.
package sbom

import (
	"time"

	"github.com/hallmark-oci/hallmark/sbom/purl"
)

// An Inventory is the list of what a subject is made of.
type Inventory struct {
	Subject    Subject
	Tool       Tool
	Created    time.Time // UTC, whole seconds; from the image or SOURCE_DATE_EPOCH, never the clock unless asked
	Distro     Distro    // zero when the image names none
	Components []Component
	Relations  []Relation
	// Unknowns tell what was seen but could not be read: files, formats, layers.
	// An inventory with unknowns is honest; one that hides them is not.
	Unknowns []Unknown
}

// Subject is the image that an inventory describes.
type Subject struct {
	Name     string // repository as the user named it, for people only
	Digest   string // "sha256:<hex>" of the manifest
	Platform string // "linux/amd64", empty when unknown
}

// Tool names the program that took the inventory.
type Tool struct{ Name, Version string }

// Distro is the operating system that the image's os-release file names.
type Distro struct{ ID, VersionID, PrettyName string }

// Type is the type of a component.
type Type string

// The types of component.
const (
	Library     Type = "library"
	Application Type = "application"
	OS          Type = "operating-system"
	File        Type = "file"
)

// A Component is one thing that the subject contains.
type Component struct {
	// ID identifies the component inside its inventory. It is stable: derived
	// from PURL or name, version and locations by [Inventory.Sort] when empty.
	ID        string
	Type      Type
	Name      string
	Version   string
	PURL      purl.PURL // zero when there is none
	Ecosystem string    // extractor family: "dpkg", "apk", "go", "npm", ...
	Licenses  []string  // SPDX expressions or free text as the package declares
	Supplier  string
	// SourceName and SourceVersion name the source package that a binary
	// package was built from, empty where they are the same.
	SourceName, SourceVersion string
	Hashes                    []Hash
	Locations                 []Location
}

// A Hash is a digest of a component's content.
type Hash struct{ Algorithm, Value string } // "SHA-256", lower-case hexadecimal

// A Location is a file that proves a component, and the layer that brought it.
type Location struct {
	Path  string // slash-separated, no leading slash
	Layer string // diffID of the layer, "sha256:<hex>"
}

// RelationType says how two components relate.
type RelationType string

// The relations between components.
const (
	DependsOn RelationType = "depends-on"
	Contains  RelationType = "contains"
)

// A Relation is an edge between two components, by ID.
type Relation struct {
	From, To string
	Type     RelationType
}

// An Unknown is something that was seen but not understood.
type Unknown struct{ Path, Reason string }

// EcosystemOf returns the ecosystem that packages with such a package URL come
// from, "" for a zero one.
func EcosystemOf(p purl.PURL) string {
	switch p.Type {
	case "deb":
		return "dpkg"
	case "golang":
		return "go"
	}
	return p.Type
}
