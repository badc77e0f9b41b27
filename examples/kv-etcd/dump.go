package main

import (
	"encoding/hex"
	"encoding/json"
	"io"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
)

// dump prints what etcd's own reader finds in a directory that no node has open: first the commit index, then the
// entries, from the oldest snapshot on behind which all are there.
func dump(to io.Writer, dir string) error {
	quiet := zap.NewNop()
	recorded, err := wal.ValidSnapshotEntries(quiet, walDir(dir))
	if err != nil {
		return err
	}
	starts := []wordPosition{position(snapshot{})}
	starts = append(starts, recorded...)
	var state wordState
	var entries []wordEntry
	for _, start := range starts {
		var log *wal.WAL
		if log, err = wal.OpenForRead(quiet, walDir(dir), start); err != nil {
			continue
		}
		_, state, entries, err = log.ReadAll()
		log.Close()
		if err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	_, _, commit := lookState(state)
	out := json.NewEncoder(to)
	if err := out.Encode(map[string]uint64{"commit": commit}); err != nil {
		return err
	}
	for _, e := range entries {
		seen := lookEntry(e)
		line := map[string]any{"index": seen.index, "term": seen.term, "type": seen.kind, "data": hex.EncodeToString(seen.data)}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}
