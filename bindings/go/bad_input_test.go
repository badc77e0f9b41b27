package rft_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

func TestVersion(t *testing.T) {
	if rft.LibraryVersion() == "" || rft.HeaderVersion == "" || rft.ABIVersion() == 0 {
		t.Error("a version is missing")
	}
}

func TestCodes(t *testing.T) {
	if rft.ErrBusy.Name() != "RFT_E_BUSY" || rft.Code(1).Name() != "RFT_E_?" || rft.Code(math.MinInt32).Error() == "" {
		t.Error("a code has another name")
	}
	_, err := rft.NewNode(rft.Config{}, nil)
	wants(t, rft.ErrConfig, err)
	if errors.Is(err, rft.ErrBusy) {
		t.Error("one code is another")
	}
}

func TestConfig(t *testing.T) {
	good := rft.Config{ID: 1, Voters: []uint64{1, 2, 3}}
	must(t, good.Validate())
	filled, err := good.Filled()
	must(t, err)
	if filled.TickInterval != 100*time.Millisecond || filled.ElectionTicks != 10 || filled.SnapshotEntries != 10000 ||
		filled.NoPreVote || filled.ClusterID != 1 || len(filled.Voters) != 3 {
		t.Errorf("%+v", filled)
	}
	bad := map[string]func(*rft.Config){
		"no id":               func(c *rft.Config) { c.ID = 0 },
		"a heartbeat too far": func(c *rft.Config) { c.HeartbeatTicks = 10 },
		"no time":             func(c *rft.Config) { c.TickInterval = time.Microsecond },
		"a part of a ms":      func(c *rft.Config) { c.TickInterval = 1500 * time.Microsecond },
		"time backwards":      func(c *rft.Config) { c.TickInterval = -time.Second },
		"a huge message":      func(c *rft.Config) { c.MessageBytesMax = math.MaxUint64 },
		"not among the first": func(c *rft.Config) { c.ID = 4 },
		"a small segment":     func(c *rft.Config) { c.SegmentBytes = 1 },
		"a narrow window":     func(c *rft.Config) { c.InflightBytesMax = 1 },
		"a narrow queue":      func(c *rft.Config) { c.QueueBytesMax = 1 },
	}
	for what, spoil := range bad {
		config := good
		spoil(&config)
		if err := config.Validate(); !errors.Is(err, rft.ErrConfig) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, id := range []uint64{math.MaxUint64, math.MaxUint64 - 1} {
		wants(t, rft.ErrInvalidArg, rft.Config{ID: id}.Validate())
		wants(t, rft.ErrInvalidArg, rft.Config{ID: 1, Voters: []uint64{1, id}}.Validate())
	}
	wants(t, rft.ErrInvalidArg, rft.Config{ID: 1, Voters: []uint64{1, 1}}.Validate())
	wantsText(t, "TickInterval is 1.5ms: it must be whole", rft.Config{ID: 1, TickInterval: 1500 * time.Microsecond}.Validate())
	wantsText(t, "TickInterval in milliseconds is 120000, not", rft.Config{ID: 1, TickInterval: 2 * time.Minute}.Validate())
	wantsText(t, "LeaseReads needs NoCheckQuorum to be false", rft.Config{ID: 1, LeaseReads: true, NoCheckQuorum: true}.Validate())
	wantsText(t, "HeartbeatTicks (10) must be less than ElectionTicks (10)", rft.Config{ID: 1, HeartbeatTicks: 10}.Validate())
	wantsText(t, "ID is not set", rft.Config{}.Validate())
	unlimited := rft.Config{ID: 1, InflightBytesMax: -1, UncommittedBytesMax: -1, SnapshotEntries: -1,
		SnapshotTrailing: -1, NoPreVote: true, NoCheckQuorum: true, NoForwarding: true}
	filled, err = unlimited.Filled()
	must(t, err)
	if filled.InflightBytesMax != -1 || filled.SnapshotEntries != -1 || !filled.NoPreVote || !filled.NoForwarding {
		t.Errorf("%+v", filled)
	}
}

func wantsText(t *testing.T, text string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, wanted %q", err, text)
	}
}

// A number that is out of its range is told by the name of its field.
func TestConfigNamesItsFields(t *testing.T) {
	kind := reflect.TypeOf(rft.Config{})
	refused := 0
	for at := range kind.NumField() {
		config := rft.Config{ID: 1}
		switch field := reflect.ValueOf(&config).Elem().Field(at); field.Kind() {
		case reflect.Uint64:
			field.SetUint(math.MaxUint64)
		case reflect.Int64:
			field.SetInt(math.MaxInt64 / int64(time.Millisecond) * int64(time.Millisecond))
		default:
			continue
		}
		if err := config.Validate(); err != nil {
			refused++
			wantsText(t, kind.Field(at).Name, err)
			if strings.Contains(err.Error(), "RFT_") {
				t.Error(err)
			}
		}
	}
	if refused < 12 {
		t.Error(refused)
	}
}

// What an error says is one sentence, whatever lies behind it.
func TestErrorsReadWell(t *testing.T) {
	over, end := context.WithCancel(context.Background())
	end()
	_, err := rft.Open(over, alone(t), &list{}, nil)
	for _, err := range []error{err, rft.ErrBusy, rft.ErrTimedOut, &rft.Error{Code: rft.ErrIO, Message: rft.ErrIO.Error()}} {
		if text := err.Error(); strings.Contains(text, ".:") || strings.HasSuffix(text, ".") {
			t.Error(text)
		}
	}
	wantsText(t, "known: context canceled", err)
	mine := errors.New("mine")
	if !errors.Is(&rft.PanicError{Value: mine}, mine) || errors.Unwrap(&rft.PanicError{Value: "text"}) != nil {
		t.Error("a panic hides its error, or makes one up")
	}
}

func TestOpenRefuses(t *testing.T) {
	ctx := context.Background()
	var none context.Context
	config := alone(t)
	open := func(ctx context.Context, config rft.Config, machine rft.StateMachine) error {
		engine, err := rft.Open(ctx, config, machine, nil)
		if engine != nil {
			t.Error("an engine that was refused")
			_ = engine.Close()
		}
		return err
	}
	wants(t, rft.ErrInvalidArg, open(none, config, &list{}))
	wants(t, rft.ErrInvalidArg, open(ctx, config, nil))
	for _, dir := range []string{"", "a\x00b", "\xff\xfe"} {
		wants(t, rft.ErrInvalidArg, open(ctx, rft.Config{ID: 1, Dir: dir}, &list{}))
	}
	wants(t, rft.ErrIO, open(ctx, rft.Config{ID: 1, Dir: "/dev/null/x"}, &list{}))
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := open(over, config, &list{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}

	engine := openAlone(t, config, &list{})
	wants(t, rft.ErrLocked, open(ctx, config, &list{}))
	must(t, engine.Close())
	config.ClusterID = 2
	wants(t, rft.ErrForeign, open(ctx, config, &list{}))
}

func TestEngineRefuses(t *testing.T) {
	config := alone(t)
	config.ProposalBytesMax = 1000
	machine := &list{}
	engine := openAlone(t, config, machine, nil)
	ctx := within(t, patience)
	var none context.Context
	_, err := engine.Propose(none, nil)
	wants(t, rft.ErrInvalidArg, err)
	mine := errors.New("out of patience")
	over, end := context.WithCancelCause(context.Background())
	end(mine)
	_, err = engine.Propose(over, nil)
	wants(t, rft.ErrDropped, err) // and not ErrTimedOut, which would leave open whether it is applied
	if !errors.Is(err, context.Canceled) || !errors.Is(err, mine) {
		t.Error(err)
	}
	var known *rft.Error
	if !errors.As(err, &known) || !known.Retryable() || known.Fatal() {
		t.Error(err)
	}
	wantsText(t, "before anything was asked", err)
	_, err = engine.Propose(ctx, make([]byte, 1001))
	wants(t, rft.ErrTooLarge, err)
	_, err = engine.ProposeMany(ctx, [][]byte{{1}, make([]byte, 1001)})
	wants(t, rft.ErrTooLarge, err)
	results, err := engine.ProposeMany(ctx, nil)
	if len(results) != 0 || err != nil {
		t.Error(results, err)
	}
	for _, id := range []uint64{0, math.MaxUint64} {
		_, err = engine.AddLearner(ctx, id, nil)
		wants(t, rft.ErrInvalidArg, err)
		wants(t, rft.ErrInvalidArg, second(engine.TransferLeader(ctx, id)))
		wants(t, rft.ErrInvalidArg, engine.ReportUnreachable(id))
	}
	_, err = engine.Change(ctx, rft.Change{Transition: 7})
	wants(t, rft.ErrInvalidArg, err)
	_, err = engine.Change(ctx, rft.Change{Steps: []rft.ChangeStep{{Type: -1, ID: 2}}})
	wants(t, rft.ErrInvalidArg, err)
	_, err = engine.Remove(ctx, 1, nil)
	wants(t, rft.ErrConfChange, err)
	_, err = engine.Change(ctx, rft.Change{Steps: []rft.ChangeStep{{Type: rft.ChangeUpdate, ID: 1}}, Context: []byte("here")})
	must(t, err)
	if strings.Join(machine.contexts, "") != "here" {
		t.Errorf("the machine got %q", machine.contexts)
	}
	badMessages(t, engine.Step, engine.StepMany)
	honest, forged := []byte{0x08, 8, 0x10, 1, 0x18, 3, 0x20, 0}, []byte{0x08, 8, 0x10, 1, 0x18, 2, 0x20, 0}
	if done, err := engine.StepFrom(3, [][]byte{honest, forged}); done != 1 || !errors.Is(err, rft.ErrWrongSender) {
		t.Error(done, err)
	}
	if _, err = engine.Propose(ctx, []byte("still well")); err != nil {
		t.Error(err)
	}
}

// badMessages: raftpb.Message, fields type = 1, to = 2, from = 3, term = 4.
func badMessages(t *testing.T, step func([]byte) error, many func([][]byte) (int, error)) {
	stranger := []byte{0x08, 4, 0x10, 1, 0x18, 9, 0x20, 1}
	wants(t, rft.ErrInvalidArg, step(nil))
	wants(t, rft.ErrLocalMessage, step([]byte{0x08, 0}))
	wants(t, rft.ErrUnknownPeer, step(stranger))
	wants(t, rft.ErrWrongReceiver, step([]byte{0x08, 8, 0x10, 2, 0x18, 2, 0x20, 1}))
	for _, noise := range [][]byte{{0x3a, 0x7f}, bytes.Repeat([]byte{0xff}, 1<<20), make([]byte, 100), []byte("hello")} {
		if err := step(noise); err == nil {
			t.Errorf("%d bytes of noise were taken", len(noise))
		}
	}
	if done, err := many([][]byte{stranger, stranger}); done != 0 || !errors.Is(err, rft.ErrUnknownPeer) {
		t.Error(done, err)
	}
	if done, err := many(nil); done != 0 || err != nil {
		t.Error(done, err)
	}
	if done, err := many([][]byte{nil, {}}); done != 0 || !errors.Is(err, rft.ErrInvalidArg) {
		t.Error(done, err)
	}
}

func TestClosedEngineAnswers(t *testing.T) {
	closed := openAlone(t, alone(t), &list{})
	must(t, closed.Close())
	must(t, closed.Close())
	for _, engine := range []*rft.Engine{closed, {}, nil} {
		ctx := within(t, patience)
		wants(t, rft.ErrStopped, second(engine.Propose(ctx, nil)))
		wants(t, rft.ErrStopped, second(engine.ProposeMany(ctx, [][]byte{nil})))
		wants(t, rft.ErrStopped, second(engine.Read(ctx)))
		wants(t, rft.ErrStopped, second(engine.Snapshot(ctx)))
		wants(t, rft.ErrStopped, second(engine.AddVoter(ctx, 2, nil)))
		wants(t, rft.ErrStopped, second(engine.Status()))
		wants(t, rft.ErrStopped, second(engine.Members()))
		wants(t, rft.ErrStopped, second(engine.StepMany([][]byte{{1}})))
		wants(t, rft.ErrStopped, engine.Step([]byte{1}))
		wants(t, rft.ErrStopped, engine.Campaign())
		wants(t, rft.ErrStopped, second(engine.TransferLeader(ctx, 1)))
		wants(t, rft.ErrStopped, engine.ReportUnreachable(1))
		must(t, engine.Close())
	}
}

func second[T any](_ T, err error) error { return err }

func TestNodeRefuses(t *testing.T) {
	node, err := rft.NewNode(rft.Config{ID: 1, Voters: []uint64{1}, ProposalBytesMax: 100}, nil)
	must(t, err)
	defer node.Close()
	wants(t, rft.ErrMisuse, node.Advance())
	must(t, node.Campaign())
	for node.HasReady() {
		_, err := node.Ready()
		must(t, err)
		wants(t, rft.ErrMisuse, second(node.Ready()))
		must(t, node.Advance())
	}
	badMessages(t, node.Step, node.StepMany)
	wants(t, rft.ErrInvalidArg, second(node.Propose()))
	wants(t, rft.ErrTooLarge, second(node.Propose([]byte{1}, make([]byte, 101))))
	wants(t, rft.ErrConfChange, node.ProposeChange(rft.Change{}))
	wants(t, rft.ErrInvalidArg, node.ProposeChange(rft.Change{Steps: []rft.ChangeStep{{ID: 0}}}))
	wants(t, rft.ErrInvalidArg, node.TransferLeader(0))
	wants(t, rft.ErrInvalidArg, node.ReportUnreachable(math.MaxUint64))
	wants(t, rft.ErrInvalidArg, node.ReportSnapshot(0, true))
	wants(t, rft.ErrUnavailable, node.Snapshot(nil, math.MaxUint64, nil))
	if list, err := node.Members(); err != nil || len(list) != 1 || list[0].Flags != rft.MemberVoter {
		t.Error(list, err)
	}
}

func TestClosedNodeAndStoreAnswer(t *testing.T) {
	config := rft.Config{Dir: filepath.Join(t.TempDir(), "store"), ID: 1, Voters: []uint64{1}}
	store, err := rft.OpenStore(config)
	must(t, err)
	wants(t, rft.ErrLocked, second(rft.OpenStore(config)))
	node, err := rft.NewNode(config, store)
	must(t, err)
	wants(t, rft.ErrMisuse, second(rft.NewNode(config, store)))
	must(t, store.Close())
	must(t, store.Close())
	wants(t, rft.ErrStopped, store.Save(node))
	wants(t, rft.ErrStopped, second(store.Snapshot()))
	wants(t, rft.ErrStopped, node.Snapshot(store, 1, nil))
	wants(t, rft.ErrStopped, second(rft.NewNode(config, store)))
	must(t, node.Close())
	for _, node := range []*rft.Node{node, {}, nil} {
		wants(t, rft.ErrStopped, node.Tick())
		wants(t, rft.ErrStopped, node.Advance())
		wants(t, rft.ErrStopped, second(node.Ready()))
		wants(t, rft.ErrStopped, second(node.Propose([]byte{1})))
		wants(t, rft.ErrStopped, second(node.Status()))
		if node.HasReady() {
			t.Error("a closed node has something")
		}
		must(t, node.Close())
	}
	var none *rft.Store
	wants(t, rft.ErrStopped, second(none.Snapshot()))
	must(t, none.Close())
}

// A node with a store goes on where it was.
func TestStoreSurvives(t *testing.T) {
	config := rft.Config{Dir: filepath.Join(t.TempDir(), "store"), ID: 1, Voters: []uint64{1}}
	var applied []string
	run := func(work func(node *rft.Node, store *rft.Store)) {
		store, err := rft.OpenStore(config)
		must(t, err)
		defer store.Close()
		snapshot, err := store.Snapshot()
		must(t, err)
		if snapshot != nil {
			applied = append(applied, "restored "+string(snapshot.Data))
		}
		node, err := rft.NewNode(config, store)
		must(t, err)
		defer node.Close()
		must(t, node.Campaign())
		settle := func() {
			for node.HasReady() {
				ready, err := node.Ready()
				must(t, err)
				must(t, store.Save(node))
				for _, entry := range ready.Committed {
					if len(entry.Data) > 0 {
						applied = append(applied, string(entry.Data))
					}
				}
				must(t, node.Advance())
			}
		}
		settle()
		work(node, store)
		settle()
	}
	run(func(node *rft.Node, _ *rft.Store) {
		_, err := node.Propose([]byte("a"), []byte("b"))
		must(t, err)
	})
	run(func(node *rft.Node, store *rft.Store) {
		status, err := node.Status()
		must(t, err)
		must(t, node.Snapshot(store, status.Applied, []byte("ab")))
		wants(t, rft.ErrSnapshotOld, node.Snapshot(store, 1, nil))
		_, err = node.Propose([]byte("c"))
		must(t, err)
		must(t, node.ReadIndex(7))
		ready, err := node.Ready()
		must(t, err)
		must(t, store.Save(node))
		applied = append(applied, "now")
		must(t, node.Advance())
		if len(ready.Reads) != 1 || ready.Reads[0].Request != 7 {
			t.Error(ready.Reads)
		}
	})
	run(func(*rft.Node, *rft.Store) {})
	if got := strings.Join(applied, " "); got != "a b a b now c restored ab c" {
		t.Error(got)
	}
}

var _ io.Reader = (*rft.SnapshotReader)(nil)
