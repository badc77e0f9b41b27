// Package kit is what the tests of several packages share.
package kit

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// Patience is how long a test waits for what has to happen.
const Patience = 60 * time.Second

// Must fails the test at an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Until waits until a condition holds.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for: %s", what)
		}
	}
}

// Counter is a state machine that counts bytes, and answers with how many they are.
type Counter struct {
	lock  sync.Mutex
	bytes int
}

// Apply counts.
func (c *Counter) Apply(entries []rft.Entry) error {
	c.lock.Lock()
	defer c.lock.Unlock()
	for at := range entries {
		c.bytes += len(entries[at].Data)
		entries[at].Answer = fmt.Append(nil, c.bytes)
	}
	return nil
}

// Snapshot writes the number.
func (c *Counter) Snapshot(to io.Writer) error {
	c.lock.Lock()
	defer c.lock.Unlock()
	_, err := fmt.Fprintln(to, c.bytes)
	return err
}

// Restore reads it.
func (c *Counter) Restore(from io.Reader) error {
	c.lock.Lock()
	defer c.lock.Unlock()
	_, err := fmt.Fscanln(from, &c.bytes)
	return err
}
