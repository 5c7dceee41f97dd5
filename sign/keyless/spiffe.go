package keyless

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// usualSocket is where SPIRE's agent listens, and where cosign looks.
const usualSocket = "/tmp/spire-agent/public/api.sock"

// spiffe asks the SPIFFE Workload API for a JWT-SVID: the call FetchJWTSVID of
// github.com/spiffe/spiffe, standards/SPIFFE_Workload_API.md. That is one message of
// gRPC each way, so that no client of gRPC is linked for it. Where the workload has
// several identities the first is taken, which is the default one by that standard.
func (s Sources) spiffe(ctx context.Context) (Token, error) {
	socket, err := socketOf(cmp.Or(s.set(spiffeSocket), usualSocket))
	if err != nil {
		return Token{}, refuse(TokenUnavailable, err, spiffeSocket)
	}
	from := "the SPIFFE Workload API at " + socket
	transport := workload(socket)
	defer transport.CloseIdleConnections()
	n := s.Network
	n.Transport = transport
	a, err := newClient(n).ask(ctx, call{
		method: http.MethodPost, url: "http://localhost/SpiffeWorkloadAPI/FetchJWTSVID", body: framed(s.audience()),
		contentType: "application/grpc", accept: "application/grpc", ok: []int{http.StatusOK},
		// The standard has the second one in every request: no browser can send it.
		header: map[string]string{"Te": "trailers", "workload.spiffe.io": "true"},
	})
	if err != nil {
		return Token{}, about(from, err)
	}
	if err := finished(a); err != nil {
		return Token{}, refuse(Denied, err, "%s gives this workload no identity", from)
	}
	id, text, err := firstSVID(a.body)
	if err != nil {
		return Token{}, refuse(Malformed, err, "the answer of %s", from)
	}
	t, err := s.parse(text, from)
	if err == nil && t.claims.Subject != id {
		return Token{}, refuse(TokenIdentity, nil, "%s calls this workload %.200q, and the identity token names %.200q", from, id, t.claims.Subject)
	}
	return t, err
}

// socketOf reads the address of a Unix socket, as a URI (SPIFFE_Workload_Endpoint.md,
// section 4) or as a bare path, which cosign takes.
func socketOf(address string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return "", errors.New("is no address")
	case u.Scheme == "" && path.IsAbs(address):
		return address, nil
	case u.Scheme == "unix" && u.Opaque == "" && u.Host == "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && path.IsAbs(u.Path):
		return u.Path, nil
	}
	return "", fmt.Errorf("%.200q is not the absolute path of a Unix socket, as unix:///run/spire/agent.sock", address)
}

// workload speaks HTTP/2 without TLS to the socket.
func workload(socket string) *http.Transport {
	var h2 http.Protocols
	h2.SetUnencryptedHTTP2(true)
	return &http.Transport{
		Protocols: &h2, DisableCompression: true, MaxResponseHeaderBytes: maxAnswer,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
}

// framed is a JWTSVIDRequest (field 1: the audience) as gRPC sends a message: a byte
// that says it is not compressed, its size, and it.
func framed(audience string) []byte {
	message := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), audience)
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// finished says whether the call went well. The status stands behind the answer, or
// before it where there is none.
func finished(a answer) error {
	from := a.trailer
	if a.header.Get("Grpc-Status") != "" {
		from = a.header
	}
	switch code := from.Get("Grpc-Status"); code {
	case "0":
		return nil
	case "":
		return errors.New("it does not say how the call ended")
	default:
		said, err := url.PathUnescape(from.Get("Grpc-Message"))
		if err != nil {
			said = ""
		}
		return fmt.Errorf("status %.10s of gRPC %s", code, new(client).quote([]byte(said)))
	}
}

// firstSVID returns the first identity of a JWTSVIDResponse, and its token.
func firstSVID(frame []byte) (id, token string, err error) {
	if len(frame) < 5 || frame[0] != 0 || int64(binary.BigEndian.Uint32(frame[1:])) != int64(len(frame)-5) {
		return "", "", errors.New("not one plain message of gRPC")
	}
	svids, err := fields(frame[5:], 1)
	if err != nil || len(svids) == 0 {
		return "", "", cmp.Or(err, errors.New("no identity"))
	}
	names, err1 := fields(svids[0], 1)
	tokens, err2 := fields(svids[0], 2)
	if err := errors.Join(err1, err2); err != nil {
		return "", "", err
	}
	if len(names) != 1 || len(tokens) != 1 || !strings.HasPrefix(string(names[0]), "spiffe://") {
		return "", "", errors.New("an identity without a SPIFFE ID or without a token")
	}
	return string(names[0]), string(tokens[0]), nil
}

// fields returns the values of one field of a protobuf message, all of them bytes.
func fields(message []byte, number protowire.Number) (all [][]byte, err error) {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
		message = message[size:]
		if n == number && kind == protowire.BytesType {
			value, size := protowire.ConsumeBytes(message)
			if size < 0 {
				return nil, protowire.ParseError(size)
			}
			all, message = append(all, value), message[size:]
			continue
		}
		if size = protowire.ConsumeFieldValue(n, kind, message); size < 0 {
			return nil, protowire.ParseError(size)
		}
		message = message[size:]
	}
	return all, nil
}
