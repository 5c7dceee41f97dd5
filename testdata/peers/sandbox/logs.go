package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-openapi/loads"
	"github.com/google/certificate-transparency-go/trillian/ctfe"
	"github.com/google/certificate-transparency-go/trillian/ctfe/configpb"
	"github.com/google/trillian"
	tclient "github.com/google/trillian/client"
	"github.com/google/trillian/crypto/keys"
	"github.com/google/trillian/crypto/keys/der"
	"github.com/google/trillian/crypto/keyspb"
	"github.com/google/trillian/extension"
	tlog "github.com/google/trillian/log"
	"github.com/google/trillian/monitoring"
	"github.com/google/trillian/quota"
	tserver "github.com/google/trillian/server"
	"github.com/google/trillian/server/admin"
	"github.com/google/trillian/storage/memory"
	"github.com/google/trillian/util/clock"
	"github.com/google/trillian/util/election"
	"github.com/google/trillian/util/election2"
	"github.com/sigstore/fulcio/pkg/ca"
	"github.com/sigstore/rekor/pkg/api"
	"github.com/sigstore/rekor/pkg/generated/restapi"
	"github.com/sigstore/rekor/pkg/generated/restapi/operations"
	"github.com/sigstore/rekor/pkg/types"
	// The types of entries that the log takes register themselves.
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"
	_ "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1"
	_ "github.com/sigstore/rekor/pkg/types/intoto/v0.0.1"
	_ "github.com/sigstore/rekor/pkg/types/intoto/v0.0.2"
	_ "github.com/sigstore/rekor/pkg/types/rekord/v0.0.1"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/spf13/viper"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// trees is a Trillian log server in memory, on which the transparency logs keep
// one Merkle tree each.
type trees struct {
	port      int
	log       trillian.TrillianLogClient
	ct, rekor int64
}

// sequence is how often new leaves are taken into the trees.
const sequence = 20 * time.Millisecond

func (s *sandbox) startTrillian(ctx context.Context) (*trees, error) {
	store := memory.NewTreeStorage()
	reg := extension.Registry{
		AdminStorage: memory.NewAdminStorage(store), LogStorage: memory.NewLogStorage(store, nil),
		QuotaManager: quota.Noop(), ElectionFactory: election2.NoopFactory{},
	}
	g := grpc.NewServer()
	trillian.RegisterTrillianLogServer(g, tserver.NewTrillianLogRPCServer(reg, clock.System))
	trillian.RegisterTrillianAdminServer(g, admin.New(reg, nil))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go g.Serve(l)
	s.close = append(s.close, g.Stop)
	loop := tlog.NewOperationManager(tlog.OperationInfo{
		Registry: reg, BatchSize: 100, NumWorkers: 2, RunInterval: sequence, TimeSource: clock.System,
		ElectionConfig: election.RunnerConfig{TimeSource: clock.System, MasterHoldInterval: time.Hour},
	}, tlog.NewSequencerManager(reg, 0))
	go loop.OperationLoop(ctx)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	s.close = append(s.close, func() { conn.Close() })
	t := &trees{port: l.Addr().(*net.TCPAddr).Port, log: trillian.NewTrillianLogClient(conn)}
	for _, id := range []*int64{&t.ct, &t.rekor} {
		tree, err := tclient.CreateAndInitTree(ctx, &trillian.CreateTreeRequest{Tree: &trillian.Tree{
			TreeState: trillian.TreeState_ACTIVE, TreeType: trillian.TreeType_LOG, MaxRootDuration: durationpb.New(0),
		}}, trillian.NewTrillianAdminClient(conn), t.log)
		if err != nil {
			return nil, err
		}
		*id = tree.TreeId
	}
	return t, nil
}

// ctPrefix is the path of the certificate transparency log.
const ctPrefix = "ct"

// startCT starts the certificate transparency log (RFC 6962) and returns its key.
func (s *sandbox) startCT(ctx context.Context, t *trees, authority *ca.SignerCerts) (crypto.PublicKey, error) {
	roots, err := cryptoutils.MarshalCertificatesToPEM(authority.Certs[len(authority.Certs)-1:])
	if err != nil {
		return nil, err
	}
	chain, err := cryptoutils.MarshalCertificatesToPEM(authority.Certs)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.write("fulcio-root.pem", roots), s.write("fulcio-chain.pem", chain)); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	wrapped, err := anypb.New(&keyspb.PrivateKey{Der: private})
	if err != nil {
		return nil, err
	}
	keys.RegisterHandler(&keyspb.PrivateKey{}, der.FromProto)
	cfg, err := ctfe.ValidateLogConfig(&configpb.LogConfig{
		LogId: t.ct, Prefix: ctPrefix, RootsPemFile: []string{s.path("fulcio-root.pem")}, PrivateKey: wrapped,
		ExtKeyUsages: []string{"CodeSigning"}, MaxMergeDelaySec: 24 * 60 * 60,
	})
	if err != nil {
		return nil, err
	}
	log, err := ctfe.SetUpInstance(ctx, ctfe.InstanceOptions{
		Validated: cfg, Client: t.log, Deadline: 10 * time.Second,
		MetricFactory: monitoring.InertMetricFactory{}, RequestLog: new(ctfe.DefaultRequestLog),
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for path, h := range log.Handlers {
		mux.Handle(path, h)
	}
	s.fronts[ctName].Serve(mux)
	return key.Public(), nil
}

// startRekor1 starts Rekor v1 without its search index, which would want a
// database, and returns its key.
func (s *sandbox) startRekor1(t *trees) (crypto.PublicKey, error) {
	for name, v := range map[string]any{
		"rekor_server.hostname": "rekor1.sandbox.test", "rekor_server.signer": "memory",
		"trillian_log_server.address": "127.0.0.1", "trillian_log_server.port": t.port,
		"enable_retrieve_api": false, "max_request_body_size": 0, "publish_frequency": 5,
		"enabled_api_endpoints": []string{"createLogEntry", "getLogEntryByIndex", "getLogEntryByUUID", "getLogInfo", "getLogProof", "getPublicKey", "searchLogQuery"},
	} {
		viper.Set(name, v)
	}
	types.SetAllowedKindsForSubmission([]string{"dsse", "hashedrekord", "intoto", "rekord"})
	doc, err := loads.Embedded(restapi.SwaggerJSON, restapi.FlatSwaggerJSON)
	if err != nil {
		return nil, err
	}
	srv := restapi.NewServer(operations.NewRekorServerAPI(doc))
	api.ConfigureAPI(t.rekor)
	srv.ConfigureAPI()
	h := srv.GetHandler()
	s.fronts[rekor1Name].Serve(h)
	raw, err := fetch(h, "/api/v1/log/publicKey")
	if err != nil {
		return nil, err
	}
	return cryptoutils.UnmarshalPEMToPublicKey(raw)
}

// fetch asks a service for a path without going through its front.
func fetch(h http.Handler, path string) ([]byte, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		return nil, errors.New(path + ": " + w.Body.String())
	}
	return bytes.Clone(w.Body.Bytes()), nil
}
