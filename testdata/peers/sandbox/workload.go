package main

import (
	"context"
	"net"
	"os"
	"path/filepath"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hallmark-oci/hallmark/testdata/peers/sandbox/token"
)

// workloads is the SPIFFE Workload API of an agent that knows one workload, whoever
// asks.
type workloads struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	issuer *token.Issuer
}

// FetchJWTSVID implements workload.SpiffeWorkloadAPIServer.
func (w *workloads) FetchJWTSVID(ctx context.Context, r *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if v := md.Get("workload.spiffe.io"); len(v) != 1 || v[0] != "true" {
		return nil, status.Error(codes.InvalidArgument, "security header missing from request")
	}
	if len(r.Audience) == 0 || r.SpiffeId != "" && r.SpiffeId != token.Workload {
		return nil, status.Error(codes.PermissionDenied, "no identity issued")
	}
	c := w.issuer.Claims(token.SPIFFE)
	c["aud"] = r.Audience
	t, err := w.issuer.Sign(c)
	if err != nil {
		return nil, err
	}
	return &workload.JWTSVIDResponse{Svids: []*workload.JWTSVID{{SpiffeId: token.Workload, Svid: t}}}, nil
}

// startWorkloads listens on a socket, whose name has to be short.
func (s *sandbox) startWorkloads() error {
	dir, err := os.MkdirTemp("", "spiffe-")
	if err != nil {
		return err
	}
	s.close = append(s.close, func() { os.RemoveAll(dir) })
	s.socket = filepath.Join(dir, "api.sock")
	l, err := net.Listen("unix", s.socket)
	if err != nil {
		return err
	}
	g := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(g, &workloads{issuer: s.issuer})
	go g.Serve(l)
	s.close = append(s.close, g.Stop)
	return nil
}
