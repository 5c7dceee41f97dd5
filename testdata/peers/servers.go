package main

import (
	"context"
	"os"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// A server is a registry to be started.
type server struct {
	name string
	// keeps says that tags may not be written again, stays that nothing can be
	// deleted.
	keeps, stays bool
	start        func(ctx context.Context, cache string) (*lab.Registry, error)
}

// servers returns all registries, in the order of the columns.
func servers() []server {
	return []server{
		{name: "go-containerregistry", start: func(context.Context, string) (*lab.Registry, error) { return lab.Memory(false), nil }},
		{name: "go-containerregistry, referrers", start: func(context.Context, string) (*lab.Registry, error) { return lab.Memory(true), nil }},
		{name: "ocimem", start: memory(false)},
		{name: "ocimem, immutable tags", start: memory(true), keeps: true, stays: true},
		{name: "distribution 3.1", start: distribution(true)},
		{name: "distribution 3.1, no delete", start: distribution(false), stays: true},
		{name: "distribution 2.8", start: debian(true)},
		{name: "distribution 2.8, no delete", start: debian(false), stays: true},
		{name: "olareg", start: native},
	}
}

// memory starts cuelabs' registry.
func memory(immutable bool) func(context.Context, string) (*lab.Registry, error) {
	return func(context.Context, string) (*lab.Registry, error) {
		h := ociserver.New(ocimem.NewWithConfig(&ocimem.Config{ImmutableTags: immutable}), nil)
		return lab.Serve("ocimem", h), nil
	}
}

// native starts olareg, which serves the referrers API.
func native(context.Context, string) (*lab.Registry, error) {
	yes := true
	return lab.Serve("olareg", olareg.New(config.Config{
		Storage: config.ConfigStorage{StoreType: config.StoreMem},
		API:     config.ConfigAPI{DeleteEnabled: &yes, Blob: config.ConfigAPIBlob{DeleteEnabled: &yes}},
	})), nil
}

func distribution(deletes bool) func(context.Context, string) (*lab.Registry, error) {
	return func(ctx context.Context, cache string) (*lab.Registry, error) {
		bin, err := lab.Peer(ctx, cache, "registry")
		if err != nil {
			return nil, err
		}
		return process(ctx, "distribution 3.1", bin, deletes)
	}
}

func debian(deletes bool) func(context.Context, string) (*lab.Registry, error) {
	return func(ctx context.Context, cache string) (*lab.Registry, error) {
		bin, err := lab.DebianRegistry(ctx, cache)
		if err != nil {
			return nil, err
		}
		return process(ctx, "distribution 2.8", bin, deletes)
	}
}

func process(ctx context.Context, name, bin string, deletes bool) (*lab.Registry, error) {
	dir, err := os.MkdirTemp("", "hallmark-registry-")
	if err != nil {
		return nil, err
	}
	r, err := lab.Distribution(ctx, name, bin, dir, deletes)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	r.AtClose(func() { os.RemoveAll(dir) })
	return r, nil
}
