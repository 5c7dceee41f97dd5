package scan_test

import (
	"testing"

	"github.com/hallmark-oci/hallmark/sbom"
)

// TestDistro holds values in the spellings that os-release(5) allows.
func TestDistro(t *testing.T) {
	tests := []struct {
		name  string
		layer layerTar
		want  sbom.Distro
	}{
		{"etc", layerTar{file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME=\"Alpine Linux v3.20\"\n")}, sbom.Distro{ID: "alpine", VersionID: "3.20.1", PrettyName: "Alpine Linux v3.20"}},
		{"usr", layerTar{file("usr/lib/os-release", "ID=wolfi\n")}, sbom.Distro{ID: "wolfi"}},
		{"etc before usr", layerTar{file("usr/lib/os-release", "ID=no\n"), file("etc/os-release", "ID=yes\n")}, sbom.Distro{ID: "yes"}},
		{"link elsewhere", layerTar{file("nix/store/x-os-release", "ID=nixos\n"), symlink("etc/os-release", "/etc/static/os-release"), symlink("etc/static/os-release", "/nix/store/x-os-release")}, sbom.Distro{ID: "nixos"}},
		{"quotes and escapes", layerTar{file("etc/os-release", "# ID=no\nID='debian'\nPRETTY_NAME=\"a \\\"b\\\" \\$c \\\\\"\r\n  VERSION_ID=\"12\"  \n")}, sbom.Distro{ID: "debian", VersionID: "12", PrettyName: `a "b" $c \`}},
		{"no ID", layerTar{file("etc/os-release", "NAME=x\n")}, sbom.Distro{ID: "linux"}},
		{"none", layerTar{file("etc/hosts", "")}, sbom.Distro{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := scanOf(t, tt.layer).Distro; got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
