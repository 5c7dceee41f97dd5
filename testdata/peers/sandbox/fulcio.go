package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"

	ctclient "github.com/google/certificate-transparency-go/client"
	"github.com/google/certificate-transparency-go/jsonclient"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/sigstore/fulcio/pkg/ca"
	"github.com/sigstore/fulcio/pkg/ca/baseca"
	"github.com/sigstore/fulcio/pkg/config"
	"github.com/sigstore/fulcio/pkg/generated/protobuf"
	"github.com/sigstore/fulcio/pkg/generated/protobuf/legacy"
	"github.com/sigstore/fulcio/pkg/server"
	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/hallmark-oci/hallmark/testdata/peers/sandbox/token"
)

// newAuthority makes a certificate authority as the public instance has one: a
// root, and an intermediate certificate that signs.
func newAuthority() (*ca.SignerCerts, error) {
	root, rootKey, err := newCA("sandbox root", nil, nil)
	if err != nil {
		return nil, err
	}
	mid, midKey, err := newCA("sandbox intermediate", root, rootKey)
	if err != nil {
		return nil, err
	}
	return &ca.SignerCerts{Signer: midKey, Certs: []*x509.Certificate{mid, root}}, nil
}

// newCA makes a certificate that may sign others, by itself where parent is nil.
func newCA(name string, parent *x509.Certificate, by crypto.Signer) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"sandbox.test"}, CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(240 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLen: 1,
	}
	if parent == nil {
		parent, by = c, key
	} else {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
		c.MaxPathLen, c.MaxPathLenZero = 0, true
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		return nil, nil, err
	}
	c, err = x509.ParseCertificate(der)
	return c, key, err
}

// issuers is the configuration of Fulcio: which issuer's claims are read how.
func (s *sandbox) issuers() (*config.FulcioConfig, error) {
	all := make(map[string]any)
	for path, kind := range map[string]string{
		token.Email: config.IssuerTypeEmail, token.GitHub: config.IssuerTypeGithubWorkflow, token.GitLab: config.IssuerTypeGitLabPipeline,
		token.Buildkite: config.IssuerTypeBuildkiteJob, token.SPIFFE: config.IssuerTypeSpiffe,
	} {
		u := s.issuer.URL(path)
		one := map[string]any{"IssuerURL": u, "ClientID": token.Audience, "Type": kind}
		if path == token.SPIFFE {
			one["SPIFFETrustDomain"] = token.TrustDomain
		}
		all[u] = one
	}
	raw, err := json.Marshal(map[string]any{"OIDCIssuers": all})
	if err != nil {
		return nil, err
	}
	return config.Read(raw)
}

// startFulcio starts Fulcio's gRPC server on a port of its own and its HTTP
// gateway behind the front.
func (s *sandbox) startFulcio(ctx context.Context, authority *ca.SignerCerts) error {
	cfg, err := s.issuers()
	if err != nil {
		return err
	}
	algorithms, err := signature.NewAlgorithmRegistryConfig([]common.PublicKeyDetails{
		common.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256, common.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384,
		common.PublicKeyDetails_PKIX_ECDSA_P521_SHA_512, common.PublicKeyDetails_PKIX_ED25519,
		common.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256, common.PublicKeyDetails_PKIX_RSA_PKCS1V15_3072_SHA256,
		common.PublicKeyDetails_PKIX_RSA_PKCS1V15_4096_SHA256,
	})
	if err != nil {
		return err
	}
	ct, err := ctclient.New(s.url(ctName)+"/"+ctPrefix, http.DefaultClient, jsonclient.Options{})
	if err != nil {
		return err
	}
	g := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		// Its client asks a certificate log that does not answer for as long as it may.
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		return next(config.With(ctx, cfg), req)
	}))
	srv := server.NewGRPCCAServer(ct, &baseca.BaseCA{SignerWithChain: authority}, algorithms, server.NewIssuerPool(cfg))
	protobuf.RegisterCAServer(g, srv)
	legacy.RegisterCAServer(g, server.NewLegacyGRPCCAServer(srv))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go g.Serve(l)
	s.close = append(s.close, g.Stop)
	gateway := runtime.NewServeMux(runtime.WithMetadata(bearer), runtime.WithForwardResponseOption(finish))
	dial := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if err := protobuf.RegisterCAHandlerFromEndpoint(ctx, gateway, l.Addr().String(), dial); err != nil {
		return err
	}
	if err := legacy.RegisterCAHandlerFromEndpoint(ctx, gateway, l.Addr().String(), dial); err != nil {
		return err
	}
	s.fronts[fulcioName].Serve(gateway)
	return nil
}

// bearer hands the identity token of the header to the gRPC server.
func bearer(_ context.Context, r *http.Request) metadata.MD {
	t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil
	}
	return metadata.Pairs(server.MetadataOIDCTokenKey, t)
}

// finish gives the answer the header and the status that the v1 API promises.
func finish(ctx context.Context, w http.ResponseWriter, _ proto.Message) error {
	md, ok := runtime.ServerMetadataFromContext(ctx)
	if !ok {
		return nil
	}
	if sct := md.HeaderMD.Get(server.SCTMetadataKey); len(sct) > 0 {
		w.Header().Set("SCT", sct[0])
	}
	if code := md.HeaderMD.Get(server.HTTPResponseCodeMetadataKey); len(code) > 0 && code[0] == "201" {
		w.WriteHeader(http.StatusCreated)
	}
	return nil
}
