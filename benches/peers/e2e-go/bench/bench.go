// Package bench is what the programs of the other makes have in common: three processes of one program, and blocked
// callers.
package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Load is one sample: `WORK OUTSTANDING BYTES SECONDS DIR`.
type Load struct {
	Reads       bool
	Outstanding int
	Bytes       int
	Time        time.Duration
	Dir         string
}

// ReadLoad reads the arguments of a sample. Callers of these libraries block, so `win` and `thr` are the same work.
func ReadLoad(args []string) (Load, error) {
	if len(args) != 5 {
		return Load{}, fmt.Errorf("usage: WORK OUTSTANDING BYTES SECONDS DIR")
	}
	outstanding, err := strconv.Atoi(args[1])
	if err != nil {
		return Load{}, err
	}
	bytes, err := strconv.Atoi(args[2])
	if err != nil {
		return Load{}, err
	}
	seconds, err := strconv.ParseFloat(args[3], 64)
	if err != nil {
		return Load{}, err
	}
	dir, err := os.MkdirTemp(args[4], "e2e-go-")
	time := time.Duration(seconds * float64(time.Second))
	return Load{strings.HasPrefix(args[0], "read"), outstanding, bytes, time, dir}, err
}

// Run has so many callers do one thing over and over, and prints the result; first a short time to become warm.
func (load Load) Run(one func(data []byte) error) (string, error) {
	if _, _, err := load.callers(min(load.Time, 300*time.Millisecond), one); err != nil {
		return "", err
	}
	took, times, err := load.callers(load.Time, one)
	if err != nil || len(times) == 0 {
		return "", fmt.Errorf("nothing was done: %w", err)
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	at := func(percent int) float64 {
		return float64(times[(len(times)-1)*percent/100].Nanoseconds()) / 1e3
	}
	value := float64(len(times)) / took.Seconds()
	return fmt.Sprintf(`{"value": %.1f, "p50_us": %.1f, "p99_us": %.1f}`, value, at(50), at(99)), nil
}

func (load Load) callers(length time.Duration, one func([]byte) error) (time.Duration, []time.Duration, error) {
	var lock sync.Mutex
	var all []time.Duration
	var failure error
	var wait sync.WaitGroup
	begun := time.Now()
	for range load.Outstanding {
		wait.Add(1)
		go func() {
			defer wait.Done()
			data := make([]byte, load.Bytes)
			var times []time.Duration
			var err error
			for err == nil && time.Since(begun) < length {
				since := time.Now()
				if err = one(data); err == nil {
					times = append(times, time.Since(since))
				}
			}
			lock.Lock()
			defer lock.Unlock()
			all = append(all, times...)
			if failure == nil {
				failure = err
			}
		}()
	}
	wait.Wait()
	return time.Since(begun), all, failure
}

// Ports finds so many that are free.
func Ports(n int) ([]int, error) {
	var ports []int
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// Node is one of the three processes.
type Node struct {
	command *exec.Cmd
	input   io.WriteCloser
	Lines   *bufio.Reader
}

// Start starts this program again with these arguments. What it says on its standard output can be read from Lines.
func Start(dir string, args ...string) (*Node, error) {
	own, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(own, args...)
	log, err := os.Create(filepath.Join(dir, "log-"+args[1]))
	if err != nil {
		return nil, err
	}
	command.Stderr = log
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &Node{command, input, bufio.NewReader(output)}, command.Start()
}

// Kill ends it at once.
func (node *Node) Kill() {
	node.command.Process.Kill()
	node.command.Wait()
}

// EndWithInput ends this process when its input does: the one that started it is gone.
func EndWithInput() {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}
