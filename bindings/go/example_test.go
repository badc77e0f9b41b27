package rft_test

import (
	"context"
	"fmt"
	"io"
	"os"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// text is a state machine that is a text: every command is appended to it.
type text struct{ value string }

func (t *text) Apply(entries []rft.Entry) error {
	for at := range entries {
		if entries[at].Type == rft.EntryNormal {
			t.value += string(entries[at].Data)
			entries[at].Answer = []byte(t.value)
		}
	}
	return nil
}

func (t *text) Snapshot(to io.Writer) error {
	_, err := io.WriteString(to, t.value)
	return err
}

func (t *text) Restore(from io.Reader) error {
	data, err := io.ReadAll(from)
	t.value = string(data)
	return err
}

// A cluster of one. With more, the transport brings messages to the other nodes.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "rft")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	engine, err := rft.Open(ctx, rft.Config{Dir: dir, ID: 1, Voters: []uint64{1}}, &text{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	for _, err := engine.Read(ctx); err != nil; { // until it leads
		_, err = engine.Read(ctx)
	}
	for _, word := range []string{"hello", ", ", "world"} {
		outcome, err := engine.Propose(ctx, []byte(word))
		fmt.Printf("%s %v\n", outcome.Answer, err)
	}
	// Output:
	// hello <nil>
	// hello,  <nil>
	// hello, world <nil>
}
