package storetest

import "net/http"

// TwoStepUploads answers an upload in one request as if the content had not
// come with it: 202 and the place to put it (distribution).
func TwoStepUploads() Quirk {
	return quirk("uploads in two steps only", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && route(r).part == "uploads" {
			r = setQuery(r, "digest", "")
			r.Body, r.ContentLength = http.NoBody, 0
		}
		next.ServeHTTP(w, r)
	})
}

// RedirectBlobs sends who reads a blob to another host. Where demand is set
// that host asks for credentials, which no client should give it; its log,
// [Server.Elsewhere], tells what it was given.
func RedirectBlobs(demand bool) Quirk {
	name := "blobs redirected to another host"
	if demand {
		name += " that asks for credentials"
	}
	return Quirk{Name: name, wrap: func(s *Server, next http.Handler) http.Handler {
		var elsewhere http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if demand && r.Header.Get("Authorization") == "" {
				w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
				refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
				return
			}
			s.base.ServeHTTP(w, r)
		})
		s.elsewhere.Store(&elsewhere)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if route(r).part == "blobs" && r.Method == http.MethodGet {
				http.Redirect(w, r, s.other.URL+r.URL.Path, http.StatusTemporaryRedirect)
				return
			}
			next.ServeHTTP(w, r)
		})
	}}
}
