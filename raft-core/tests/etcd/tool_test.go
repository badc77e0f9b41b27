package etcd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// askTool has `rft log verify` look at what either side has written. A torn end is the only fault there may be, and
// what it says of entries and state has to be so.
func (h *history) askTool(isTorn bool) error {
	path := os.Getenv("RFT_TOOL")
	if path == "" {
		path = "../../../target/debug/rft"
	}
	output, err := exec.Command(path, "--json", "log", "verify", h.dir).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if (err != nil) != isTorn {
		return fmt.Errorf("rft log verify: %v, torn %t: %s", err, isTorn, output)
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	var summary struct{ Faults, Last, Term, Vote, Commit uint64 }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &summary); err != nil {
		return err
	}
	found := state{summary.Term, summary.Vote, summary.Commit}
	if found != h.want.state || summary.Last != h.want.last() || summary.Faults != uint64(len(lines)-1) {
		return fmt.Errorf("rft log verify finds %s, not %+v with %d as the last index", output, h.want.state, h.want.last())
	}
	h.counts["asked the tool"]++
	return nil
}
