package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// shared opens the store on a repository of the server with what it shares.
func shared(t *testing.T, s *storetest.Server, h *Hosts, repo string) *Store {
	t.Helper()
	store, err := New(s.Host+"/"+repo, Options{Hosts: h, Push: true})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// pushTo puts an image into a repository, past the store.
func pushTo(t *testing.T, s *storetest.Server, repo, tag string, img v1.Image) {
	t.Helper()
	ref, err := name.NewTag(s.Host + "/" + repo + ":" + tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
}

// TestHostsShareAccess: stores of five repositories, each used by ten at once,
// are told once that their registry wants tokens, and ask for one for each
// repository; with an identity token too, which holds for one use.
func TestHostsShareAccess(t *testing.T) {
	const repos, users = 5, 10
	for name, keys := range map[string]Options{
		"password": {Keychain: keychain{"user", "secret"}},
		"identity": {Keychain: identity("id")},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			for i := range repos {
				pushTo(t, s, fmt.Sprintf("team/app%d", i), "v1", newImage(t))
			}
			tokens := &storetest.Tokens{User: "user", Password: "secret", Identity: "id"}
			s.Set(tokens.Quirk(), storetest.Delay(time.Millisecond))
			s.Forget()
			keys.Sleep = hurry
			hosts := NewHosts(keys)
			var wg sync.WaitGroup
			for i := range repos * users {
				store := shared(t, s, hosts, fmt.Sprintf("team/app%d", i%repos))
				wg.Go(func() {
					if _, err := store.Resolve(t.Context(), "v1"); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := s.Count("^GET /v2/$"); n != 0 {
				t.Errorf("%d pings", n)
			}
			scopes := tokens.Scopes()
			slices.Sort(scopes)
			if n := s.Count("/token"); n != repos || len(slices.Compact(scopes)) != repos {
				t.Errorf("%d tokens, for %q", n, scopes)
			}
			if n := s.Count("/manifests/v1"); n != repos*users+1 { // the first one was refused
				t.Errorf("%d requests for manifests", n)
			}
		})
	}
}

// TestHostsFailAlone: who gives up while he pings or logs in for others leaves
// them their own try.
func TestHostsFailAlone(t *testing.T) {
	tokens := &storetest.Tokens{User: "user", Password: "secret"}
	s := guarded(t, tokens, storetest.Delay(20*time.Millisecond))
	hosts := NewHosts(Options{Keychain: keychain{"user", "secret"}, Sleep: hurry})
	var wg sync.WaitGroup
	for i := range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			defer cancel()
			_, err := shared(t, s, hosts, "team/app").Resolve(ctx, "v1")
			if (err != nil) != (i%2 == 0) {
				t.Errorf("%d: %v", i, err)
			}
		})
		if i%2 == 0 {
			time.AfterFunc(time.Duration(5*i)*time.Millisecond, cancel)
		}
	}
	wg.Wait()
}

// TestParallel: no more requests to a registry are under way than allowed, and
// who reads a blob does not keep the last place.
func TestParallel(t *testing.T) {
	var under, most atomic.Int32
	s := start(t)
	push(t, s, "v1", newImage(t))
	s.Set(storetest.Only("/manifests/", storetest.Answer("counted", func(w http.ResponseWriter, r *http.Request) {
		n := under.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(3 * time.Millisecond)
		under.Add(-1)
		w.WriteHeader(http.StatusNotFound)
	})))
	hosts := NewHosts(Options{Sleep: hurry, Parallel: 3})
	var wg sync.WaitGroup
	for i := range 60 {
		store := shared(t, s, hosts, fmt.Sprintf("team/app%d", i%4))
		wg.Go(func() { store.Resolve(t.Context(), "v1") })
	}
	wg.Wait()
	if n := most.Load(); n > 3 || n < 2 {
		t.Errorf("%d requests at once, want 3", n)
	}
	s.Set()
	store := shared(t, s, NewHosts(Options{Sleep: hurry, Parallel: 1}), "team/app")
	subject := resolve(t, store, "v1")
	m, err := store.Manifest(t.Context(), subject, subject.Desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	layers := layersOf(t, m)
	first, err := store.Blob(t.Context(), subject, layers[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	second, err := store.Blob(ctx, subject, layers[1])
	if err != nil {
		t.Fatalf("a second request while the first answer is read: %v", err)
	}
	for _, rc := range []io.ReadCloser{first, second} {
		if _, err := io.Copy(io.Discard, rc); err != nil {
			t.Error(err)
		}
		rc.Close()
	}
}

func layersOf(t *testing.T, m attach.Manifest) []v1.Descriptor {
	t.Helper()
	members, err := attach.Members(m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	var layers []v1.Descriptor
	if err := attach.Member(members, "layers", &layers); err != nil || len(layers) < 2 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	return layers
}

// TestRest: the time that a request waits for its place takes nothing of the
// registry's patience.
func TestRest(t *testing.T) {
	s := start(t)
	push(t, s, "v1", newImage(t))
	s.Set(storetest.Delay(400 * time.Millisecond))
	hosts := NewHosts(Options{Sleep: hurry, Parallel: 1, Patience: 3 * time.Second})
	var wg sync.WaitGroup
	for range 10 { // the last one waits for longer than the patience
		wg.Go(func() {
			if _, err := shared(t, s, hosts, "team/app").Resolve(t.Context(), "v1"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestRetryAfterHoldsAll: when a registry asks one to wait, the others wait too,
// and those of another registry do not.
func TestRetryAfterHoldsAll(t *testing.T) {
	var asked atomic.Int32
	host := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("Retry-After", "20")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
	other := serve(t, http.NotFound)
	now := time.Unix(1_000_000, 0)
	var waits []time.Duration
	hosts := NewHosts(Options{
		Now: func() time.Time { return now },
		Sleep: func(_ context.Context, d time.Duration) error {
			waits = append(waits, d)
			return nil
		},
	})
	get := func(host, repo string) {
		t.Helper()
		store, err := New(host+"/"+repo, Options{Hosts: hosts})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Resolve(t.Context(), "v1"); err == nil {
			t.Fatal("found")
		}
	}
	get(host, "a") // waits once, as it was told
	now = now.Add(5 * time.Second)
	get(host, "b") // waits for what is left
	get(other, "a")
	now = now.Add(time.Minute)
	get(host, "c")
	if want := []time.Duration{20 * time.Second, 15 * time.Second}; !slices.Equal(waits, want) {
		t.Errorf("waited %v, want %v", waits, want)
	}
}

// TestLearnedNeverHides: what was learned of a registry yields to what it
// answers. A registry that had no referrers a moment ago gets them; whoever looks
// for another image, or for the same one a little later, finds what is there.
func TestLearnedNeverHides(t *testing.T) {
	s := start(t)
	images := map[string]v1.Image{"v1": newImage(t), "v2": newImage(t)}
	for tag, img := range images {
		push(t, s, tag, img)
	}
	now := time.Unix(1_000_000, 0)
	hosts := NewHosts(Options{Sleep: hurry, Now: func() time.Time { return now }})
	count := func(tag string) int {
		t.Helper()
		store := shared(t, s, hosts, "team/app")
		all, errs := attach.Collect(t.Context(), store, resolve(t, store, tag))
		if len(errs) > 0 {
			t.Error(errs)
		}
		return len(all)
	}
	if count("v1") != 0 || count("v2") != 0 {
		t.Fatal("something is attached already")
	}
	s.Set(storetest.NativeReferrers())
	for tag, img := range images {
		d, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		size, _ := img.Size()
		mt, _ := img.MediaType()
		subject := v1.Descriptor{Digest: d, Size: size, MediaType: mt}
		push(t, s, "about-"+tag, mutate.Subject(newImage(t), subject).(v1.Image))
	}
	now = now.Add(bareFor)
	for tag := range images {
		if n := count(tag); n != 1 {
			t.Errorf("%s: %d entries, want 1", tag, n)
		}
	}
	// A fresh subject needs no time to pass at all.
	s.Set()
	count("v1")
	s.Set(storetest.NativeReferrers())
	if n := count("v2"); n != 1 {
		t.Errorf("v2, right after v1 had none: %d entries, want 1", n)
	}
}

// TestLearned: what a registry cannot do is tried once for all stores, and tried
// again when it may have learned it.
func TestLearned(t *testing.T) {
	s := start(t, storetest.TwoStepUploads(), storetest.LastMustExist())
	now := time.Unix(1_000_000, 0)
	hosts := NewHosts(Options{Sleep: hurry, Now: func() time.Time { return now }})
	tried := func(repo string) (whole, seeks int) {
		t.Helper()
		s.Forget()
		store := shared(t, s, hosts, repo)
		subject := resolve(t, store, "v1")
		for i := range 2 {
			p := attach.Parcel{Subject: subject, Content: storetest.NewSignature(subject, fmt.Sprint(repo, i))}
			if _, err := store.Put(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		return s.Count(`^POST .*digest=`), s.Count(`/tags/list.*last=`)
	}
	pushTo(t, s, "team/a", "v1", newImage(t))
	pushTo(t, s, "team/b", "v1", newImage(t))
	if whole, seeks := tried("team/a"); whole == 0 || whole > 2 || seeks != 1 {
		t.Errorf("first: %d uploads at once, %d seeks", whole, seeks)
	}
	if whole, seeks := tried("team/b"); whole != 0 || seeks != 1 { // a list is of a repository
		t.Errorf("second repository: %d uploads at once, %d seeks", whole, seeks)
	}
	if whole, seeks := tried("team/b"); whole != 0 || seeks != 0 {
		t.Errorf("again: %d uploads at once, %d seeks", whole, seeks)
	}
	now = now.Add(learnedFor)
	if whole, seeks := tried("team/b"); whole == 0 || seeks != 1 {
		t.Errorf("later: %d uploads at once, %d seeks", whole, seeks)
	}
}

// TestKnownIsBounded: what is remembered does not grow with what is asked for.
func TestKnownIsBounded(t *testing.T) {
	hosts := NewHosts(Options{})
	for i := range 3 * maxKnown {
		hosts.of(fmt.Sprint("h", i), "r")
		_, r := hosts.of("h", fmt.Sprint("r", i))
		c := &client{state: r, options: hosts.options}
		c.noteBare(v1.Hash{Hex: fmt.Sprint(i)}, nil)
		raw := make([]byte, 64<<10)
		hosts.manifests.put(fmt.Sprint(i), attach.Manifest{Raw: raw})
	}
	if n := len(hosts.hosts); n > maxKnown {
		t.Errorf("%d registries", n)
	}
	if h, _ := hosts.of("h", "r"); len(h.repos) > maxKnown {
		t.Errorf("%d repositories", len(h.repos))
	}
	if n := len(hosts.manifests.young) + len(hosts.manifests.old); n > 2*maxCached/(64<<10) {
		t.Errorf("%d manifests", n)
	}
}
