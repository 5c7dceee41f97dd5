package layout

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/hallmark-oci/hallmark/attach"
)

// lock keeps other processes, and other stores of this process, from writing
// to the layout. It is a lock of the operating system on a side file, which
// ends with the process however that ends. Readers never take it.
type lock struct {
	dir *dir
	// turn lets one holder of this store at a time ask for the file lock.
	turn chan struct{}
	// busy is held for reading by everything that relies on the file lock, so
	// that it is not released below it.
	busy sync.RWMutex
	held bool
}

func newLock(d *dir) *lock {
	return &lock{dir: d, turn: make(chan struct{}, 1)}
}

// acquire waits for the lock as long as the context lasts.
func (l *lock) acquire(ctx context.Context) (release func(), err error) {
	if l.dir.archive != nil {
		return nil, fmt.Errorf("%s is an archive, which is only read: %w", l.dir.name, attach.ErrDenied)
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, l.waited(ctx)
	}
	f, err := l.file(ctx)
	if err == nil {
		err = l.dir.sweep()
		if err != nil {
			f.Close()
		}
	}
	if err != nil {
		<-l.turn
		return nil, err
	}
	l.busy.Lock()
	l.held = true
	l.busy.Unlock()
	return sync.OnceFunc(func() {
		l.busy.Lock()
		l.held = false
		f.Close()
		l.busy.Unlock()
		<-l.turn
	}), nil
}

// file returns the lock file, locked. Closing it releases the lock.
func (l *lock) file(ctx context.Context) (*os.File, error) {
	for {
		if ctx.Err() != nil {
			return nil, l.waited(ctx)
		}
		f, err := l.open()
		if err != nil {
			return nil, l.dir.wrap("lock", lockName, err)
		}
		if err := l.wait(ctx, f); err != nil {
			return nil, err
		}
		// A lock on a file that was removed meanwhile keeps nobody out.
		mine, err := f.Stat()
		if err == nil {
			if named, err := l.dir.root.Stat(lockName); err == nil && os.SameFile(mine, named) {
				return f, nil
			}
		}
		f.Close()
	}
}

func (l *lock) open() (*os.File, error) {
	if err := l.dir.root.MkdirAll(ours, 0o755); err != nil {
		return nil, err
	}
	return l.dir.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o644)
}

// wait locks the file in a goroutine of its own. When the context ends first,
// that goroutine gives the lock back as soon as it gets it.
func (l *lock) wait(ctx context.Context, f *os.File) error {
	got := make(chan error)
	abandoned := make(chan struct{})
	go func() {
		err := lockFile(f)
		select {
		case got <- err:
		case <-abandoned:
			f.Close()
		}
	}()
	select {
	case err := <-got:
		if err != nil {
			f.Close()
			return l.dir.wrap("lock", lockName, err)
		}
		return nil
	case <-ctx.Done():
		close(abandoned)
		return l.waited(ctx)
	}
}

func (l *lock) waited(ctx context.Context) error {
	return fmt.Errorf("wait for the lock %s in %s, which another writer holds: %w", lockName, l.dir.name, context.Cause(ctx))
}

// under runs f while this store holds the lock. Where nobody holds it yet, it
// is held for the length of f.
func (l *lock) under(ctx context.Context, f func() error) error {
	l.busy.RLock()
	if l.held {
		defer l.busy.RUnlock()
		return f()
	}
	l.busy.RUnlock()
	release, err := l.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	return f()
}
