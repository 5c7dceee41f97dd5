package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// stale is how long real registries were seen to answer with what was there before.
const stale = 5 * time.Second

// TestPatience copies to registries that show what was written only after a while, by
// a clock that the waiting moves. Those that take as long as real ones do are waited
// for, one that never shows it is given up, with a reason.
func TestPatience(t *testing.T) {
	for _, pattern := range []string{"^GET .*/to/manifests/v2", `/to/(manifests/sha256-.*\.sig|tags/list|referrers/)`} {
		for _, late := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, shown %v", pattern, late), func(t *testing.T) {
				s := newServer(t)
				src, dst := onRegistry(t, newServer(t), "from"), onRegistry(t, s, "to")
				st := small(t, src)
				on := st.root
				put(t, src.open(t), on, storetest.NewSignature(on, "one"))
				s.Set(storetest.Only(pattern, storetest.Status(404, "MANIFEST_UNKNOWN")))
				var waits []time.Duration
				var sum time.Duration
				r, err := Copy(t.Context(), src.open(t), st.root, dst.open(t), dst.repo, "v2", Options{Sleep: func(ctx context.Context, d time.Duration) error {
					waits = append(waits, d)
					if sum += d; late && sum >= stale {
						s.Set()
					}
					return ctx.Err()
				}})
				if err != nil {
					t.Fatal(err)
				}
				if sum < stale || len(waits) > 10 {
					t.Errorf("waited for %v: %v", sum, waits)
				}
				if late {
					clean(t, r)
				} else if text := fmt.Sprint(r.Problems); !strings.Contains(text, "write not confirmed") {
					t.Errorf("problems %s", text)
				}
			})
		}
	}
}

// TestImpatient ends a copy while it waits: that is the reason that it tells.
func TestImpatient(t *testing.T) {
	s := newServer(t)
	src, dst := onRegistry(t, newServer(t), "from"), onRegistry(t, s, "to")
	st := small(t, src)
	s.Set(storetest.Only("^GET .*/to/manifests/v2", storetest.Status(404, "MANIFEST_UNKNOWN")))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Copy(ctx, src.open(t), st.root, dst.open(t), dst.repo, "v2", Options{Sleep: func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
