package lab

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Push puts a small random image at repo:tag and returns repo@digest.
func (r *Registry) Push(repo, tag string) (string, error) {
	img, err := random.Image(512, 2)
	if err != nil {
		return "", err
	}
	ref, err := name.NewTag(r.Host + "/" + repo + ":" + tag)
	if err != nil {
		return "", err
	}
	if err := remote.Write(ref, img); err != nil {
		return "", err
	}
	d, err := img.Digest()
	return fmt.Sprintf("%s/%s@%s", r.Host, repo, d), err
}

// PushIndex puts an index of n small random images, each for a platform of its
// own, and returns repo@digest.
func (r *Registry) PushIndex(repo, tag string, n int) (string, error) {
	var index v1.ImageIndex = empty.Index
	for i := range n {
		img, err := random.Image(256, 1)
		if err != nil {
			return "", err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: fmt.Sprintf("arch%d", i)}},
		})
	}
	ref, err := name.NewTag(r.Host + "/" + repo + ":" + tag)
	if err != nil {
		return "", err
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		return "", err
	}
	d, err := index.Digest()
	return fmt.Sprintf("%s/%s@%s", r.Host, repo, d), err
}
