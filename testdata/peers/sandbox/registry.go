package main

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// startRegistry starts the registries, in memory: one that serves the referrers
// API, with an image in it, and one that does not.
func (s *sandbox) startRegistry(ctx context.Context) error {
	for name, referrers := range map[string]bool{registryName: true, plainName: false} {
		s.fronts[name].Serve(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(referrers)))
	}
	ref, err := name.ParseReference(s.image())
	if err != nil {
		return err
	}
	img, err := random.Image(1024, 1)
	if err != nil {
		return err
	}
	if err := remote.Write(ref, img, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	s.fronts[registryName].Clear()
	return nil
}

// image names the image that is there to be signed.
func (s *sandbox) image() string { return s.host[registryName] + "/app:1" }
