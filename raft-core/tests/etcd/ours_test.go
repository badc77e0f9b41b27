package etcd

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// driver is the process that does with our store what it is told; see driver.rs.
type driver struct {
	process *exec.Cmd
	to      io.WriteCloser
	from    *bufio.Reader
}

func startDriver() (*driver, error) {
	path := os.Getenv("RFT_DRIVER")
	if path == "" {
		path = "../../../target/debug/examples/etcd_driver"
	}
	process := exec.Command(path)
	process.Stderr = os.Stderr
	to, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	from, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &driver{process, to, bufio.NewReaderSize(from, 1<<20)}, process.Start()
}

func (d *driver) stop() error {
	d.to.Close()
	return d.process.Wait()
}

// ask sends a command and returns the lines of its answer.
func (d *driver) ask(words ...string) ([]string, error) {
	if _, err := io.WriteString(d.to, strings.Join(words, " ")+"\n"); err != nil {
		return nil, err
	}
	var lines []string
	for {
		line, err := d.from.ReadString('\n')
		if err != nil {
			return nil, err
		}
		line = strings.TrimSuffix(line, "\n")
		if text, found := strings.CutPrefix(line, "error "); found {
			return nil, errors.New(text)
		}
		if line == "ok" {
			return lines, nil
		}
		lines = append(lines, line)
	}
}

// openOurs opens dir with our store and says what it found.
func (d *driver) openOurs(dir string, segmentBytes int64) (log, content, error) {
	lines, err := d.ask("open", dir, fmt.Sprint(nodeID), fmt.Sprint(clusterID), "77", fmt.Sprint(segmentBytes))
	if err != nil {
		return nil, content{}, err
	}
	var found content
	for _, line := range lines {
		if err := found.read(line); err != nil {
			return nil, content{}, fmt.Errorf("%w in %q", err, line)
		}
	}
	return ours{d}, found, nil
}

func (c *content) read(line string) error {
	what, rest, _ := strings.Cut(line, " ")
	switch what {
	case "snapshot":
		var voters, data string
		_, err := fmt.Sscan(rest, &c.snapshot.term, &c.snapshot.index, &voters, &data)
		if err != nil {
			return err
		}
		for _, id := range strings.Split(voters, ",") {
			var voter uint64
			if _, err := fmt.Sscan(id, &voter); err != nil {
				return err
			}
			c.snapshot.voters = append(c.snapshot.voters, voter)
		}
		c.snapshot.data, err = unhex(data)
		return err
	case "state":
		_, err := fmt.Sscan(rest, &c.state.term, &c.state.vote, &c.state.commit)
		return err
	default:
		var e entry
		var data string
		_, err := fmt.Sscan(strings.ReplaceAll(rest, ":", " "), &e.term, &e.index, &e.kind, &data)
		if err != nil {
			return err
		}
		e.data, err = unhex(data)
		c.entries = append(c.entries, e)
		return err
	}
}

type ours struct{ driver *driver }

func (o ours) save(s state, entries []entry) error {
	words := []string{"append", fmt.Sprint(s.term), fmt.Sprint(s.vote), fmt.Sprint(s.commit)}
	for _, e := range entries {
		words = append(words, fmt.Sprintf("%d:%d:%d:%s", e.term, e.index, e.kind, tohex(e.data)))
	}
	return o.tell(words...)
}

func (o ours) record(s snapshot) error {
	voters := strings.Trim(strings.ReplaceAll(fmt.Sprint(s.voters), " ", ","), "[]")
	return o.tell("snapshot", fmt.Sprint(s.term), fmt.Sprint(s.index), voters, tohex(s.data))
}

func (o ours) release(index uint64) error { return o.tell("release", fmt.Sprint(index)) }

func (o ours) close() error { return o.tell("close") }

func (o ours) tell(words ...string) error {
	_, err := o.driver.ask(words...)
	return err
}

func tohex(data []byte) string {
	if len(data) == 0 {
		return "-"
	}
	return hex.EncodeToString(data)
}

func unhex(text string) ([]byte, error) {
	if text == "-" {
		return nil, nil
	}
	return hex.DecodeString(text)
}
