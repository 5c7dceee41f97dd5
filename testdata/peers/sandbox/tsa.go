package main

import (
	"crypto/x509"
	"net/http"

	"github.com/go-openapi/runtime"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/timestamp-authority/v2/pkg/api"
	"github.com/sigstore/timestamp-authority/v2/pkg/generated/restapi/operations/timestamp"
	"github.com/spf13/viper"
)

// timestampPath is where a token (RFC 3161) is asked for.
const timestampPath = "/api/v1/timestamp"

// startTSA starts the timestamp authority and returns its certificates, leaf
// first. Only the handlers of its server are used: the server and that of Rekor
// v1 each define the flag --scheme and cannot be in one process.
func (s *sandbox) startTSA() ([]*x509.Certificate, error) {
	const policy = "1.3.6.1.4.1.57264.2"
	for name, v := range map[string]any{
		"timestamp-signer": "memory", "timestamp-signer-hash": "sha256",
		"default-policy-oid": policy, "accepted-policy-oids": []string{policy},
		"max-request-body-size": 1 << 20, "disable-ntp-monitoring": true,
	} {
		viper.Set(name, v)
	}
	api.ConfigureAPI()
	mux := http.NewServeMux()
	mux.HandleFunc(timestampPath, func(w http.ResponseWriter, r *http.Request) {
		p := timestamp.GetTimestampResponseParams{HTTPRequest: r, Request: r.Body}
		api.TimestampResponseHandler(p).WriteResponse(w, runtime.ByteStreamProducer())
	})
	mux.HandleFunc(timestampPath+"/certchain", func(w http.ResponseWriter, r *http.Request) {
		p := timestamp.GetTimestampCertChainParams{HTTPRequest: r}
		api.GetTimestampCertChainHandler(p).WriteResponse(w, runtime.TextProducer())
	})
	s.fronts[tsaName].Serve(mux)
	chain, err := fetch(mux, timestampPath+"/certchain")
	if err != nil {
		return nil, err
	}
	if err := s.write("tsa-chain.pem", chain); err != nil {
		return nil, err
	}
	return cryptoutils.UnmarshalCertificatesFromPEM(chain)
}
