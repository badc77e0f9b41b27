package rft_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

// machine has each callback as a function; those that are nil do what list does.
type machine struct {
	list
	save    func(to io.Writer) error
	restore func(from io.Reader) error
}

func (m *machine) Snapshot(to io.Writer) error {
	if m.save != nil {
		return m.save(to)
	}
	return m.list.Snapshot(to)
}

func (m *machine) Restore(from io.Reader) error {
	if m.restore != nil {
		return m.restore(from)
	}
	return m.list.Restore(from)
}

// lines collects what is logged.
type lines struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(data []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.Write(data)
}

func (l *lines) have(part string) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return strings.Contains(l.text.String(), part)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// stopped waits until the engine has stopped, and gives why.
func stopped(t *testing.T, engine *rft.Engine) error {
	var failure error
	until(t, "it stops", func() bool {
		status, err := engine.Status()
		must(t, err)
		failure = status.Failure
		return failure != nil
	})
	return failure
}

func TestApplyThatPanicsStopsTheEngine(t *testing.T) {
	log := &lines{}
	var seen []rft.Event
	m := &list{}
	engine := openAlone(t, alone(t), m, rft.WithLogger(log.logger()),
		rft.WithEvents(func(event rft.Event) { seen = append(seen, event) }))
	m.lock.Lock()
	m.onApply = func([]rft.Entry) error { panic("out of cheese") }
	m.lock.Unlock()
	if _, err := engine.Propose(within(t, patience), []byte("x")); err == nil {
		t.Error("it was applied")
	}
	err := stopped(t, engine)
	wants(t, rft.ErrHost, err)
	var panicked *rft.PanicError
	if !errors.As(err, &panicked) || panicked.Value != "out of cheese" || !bytes.Contains(panicked.Stack, []byte("Apply")) {
		t.Error(err)
	}
	_, err = engine.Read(within(t, patience))
	wants(t, rft.ErrHost, err)
	var known *rft.Error
	if !errors.As(err, &known) || !known.Fatal() || known.Retryable() {
		t.Error(err)
	}
	until(t, "a line", func() bool { return log.have("out of cheese") })
	must(t, engine.Close())
	panicked = nil
	if last := seen[len(seen)-1]; last.Kind != rft.EventFailed || !errors.Is(last.Err, rft.ErrHost) || !errors.As(last.Err, &panicked) {
		t.Errorf("%+v", last)
	}
}

func TestApplyThatFailsStopsTheEngine(t *testing.T) {
	mine := errors.New("no room")
	m := &list{}
	engine := openAlone(t, alone(t), m)
	m.lock.Lock()
	m.onApply = func([]rft.Entry) error { return mine }
	m.lock.Unlock()
	_, _ = engine.Propose(within(t, patience), []byte("x"))
	if err := stopped(t, engine); !errors.Is(err, mine) || !errors.Is(err, rft.ErrHost) {
		t.Error(err)
	}
}

func TestSnapshotThatFailsStopsNothing(t *testing.T) {
	var late io.Writer
	m := &machine{}
	config := alone(t)
	engine := openAlone(t, config, m)
	notNow := errors.New("not now")
	var panicked *rft.PanicError
	for _, row := range []struct {
		save  func(to io.Writer) error
		finds func(err error) bool
	}{
		{func(io.Writer) error { panic("in the snapshot") }, func(err error) bool { return errors.As(err, &panicked) }},
		{func(to io.Writer) error { late = to; return notNow }, func(err error) bool { return errors.Is(err, notNow) }},
	} {
		m.save = row.save
		_, err := engine.Snapshot(within(t, patience))
		wants(t, rft.ErrHost, err)
		var known *rft.Error
		if !row.finds(err) || !errors.As(err, &known) || known.Fatal() {
			t.Error(err)
		}
	}
	m.save = func(to io.Writer) error {
		late = to
		for at := range 3 << 20 {
			if _, err := to.Write([]byte{byte(at)}); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := engine.Propose(within(t, patience), []byte("x")); err != nil {
		t.Fatal(err)
	}
	index, err := engine.Snapshot(within(t, patience))
	if index == 0 || err != nil {
		t.Fatal(index, err)
	}
	if _, err := late.Write(make([]byte, 1<<20)); !errors.Is(err, rft.ErrMisuse) {
		t.Error(err)
	}
	must(t, engine.Close())
	restoreFails(t, config)

	var reader io.Reader
	m.restore = func(from io.Reader) error {
		reader = from
		data, err := io.ReadAll(from)
		if sized := from.(*rft.SnapshotReader); len(data) != 3<<20 || data[7] != 7 || sized.Len() != 3<<20 {
			return fmt.Errorf("%d bytes, %d told", len(data), sized.Len())
		}
		return err
	}
	engine, err = rft.Open(context.Background(), config, m, nil)
	must(t, err)
	must(t, engine.Close())
	if _, err := reader.Read(make([]byte, 1)); !errors.Is(err, rft.ErrMisuse) && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func restoreFails(t *testing.T, config rft.Config) {
	mine := errors.New("cannot read that")
	for _, restore := range []func(io.Reader) error{
		func(io.Reader) error { return mine },
		func(io.Reader) error { panic(mine) },
	} {
		_, err := rft.Open(context.Background(), config, &machine{restore: restore}, nil)
		wants(t, rft.ErrHost, err)
		var panicked *rft.PanicError
		if !errors.Is(err, mine) && (!errors.As(err, &panicked) || panicked.Value != mine) {
			t.Error(err)
		}
	}
}

// wild is a transport and a logger that panic.
type wild struct{ slog.Handler }

func (wild) Send([]rft.Message)                        { panic("in send") }
func (wild) Enabled(context.Context, slog.Level) bool  { panic("in the logger") }
func (w wild) WithAttrs([]slog.Attr) slog.Handler      { return w }
func (wild) Handle(context.Context, slog.Record) error { panic("in the logger") }

func TestOtherCallbacksMayPanic(t *testing.T) {
	log := &lines{}
	config := alone(t)
	config.Voters = []uint64{1, 2}
	engine, err := rft.Open(context.Background(), config, &list{}, wild{}, rft.WithLogger(log.logger()),
		rft.WithEvents(func(rft.Event) { panic("in the event") }))
	must(t, err)
	must(t, engine.Campaign())
	until(t, "both lines", func() bool { return log.have("in send") && log.have("in the event") })
	status, err := engine.Status()
	if err != nil || status.Failure != nil {
		t.Error(status, err)
	}
	must(t, engine.Close())

	quiet := openAlone(t, alone(t), &list{}, rft.WithLogger(slog.New(wild{})))
	if _, err := quiet.Propose(within(t, patience), []byte("x")); err != nil {
		t.Error(err)
	}
	must(t, quiet.Close())
}

func TestApplyThatBlocksHoldsUpNobodyElse(t *testing.T) {
	release := make(chan struct{})
	m := &list{}
	engine := openAlone(t, alone(t), m)
	m.lock.Lock()
	m.onApply = func([]rft.Entry) error { <-release; return nil }
	m.lock.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	answers := make(chan error)
	go func() { answers <- second(engine.Propose(ctx, []byte("x"))) }()
	until(t, "it is committed", func() bool {
		status, err := engine.Status()
		must(t, err)
		return status.Commit > status.Applied
	})
	cancel()
	err := <-answers
	wants(t, rft.ErrTimedOut, err)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
	until(t, "it is applied all the same", func() bool { return len(m.holds()) == 1 })
}

func TestACallbackMustNotWaitForItself(t *testing.T) {
	m := &list{}
	var engine *rft.Engine
	errs := make(map[string]error)
	engine = openAlone(t, alone(t), m)
	ctx := within(t, patience)
	m.lock.Lock()
	m.onApply = func([]rft.Entry) error {
		_, errs["propose"] = engine.Propose(ctx, []byte("y"))
		_, errs["many"] = engine.ProposeMany(ctx, [][]byte{{1}})
		_, errs["read"] = engine.Read(ctx)
		_, errs["snapshot"] = engine.Snapshot(ctx)
		_, errs["change"] = engine.AddLearner(ctx, 2, nil)
		return nil
	}
	m.lock.Unlock()
	if _, err := engine.Propose(within(t, patience), []byte("x")); err != nil {
		t.Error(err)
	}
	m.lock.Lock()
	m.onApply = nil
	m.lock.Unlock()
	if len(errs) != 5 {
		t.Error(errs)
	}
	for what, err := range errs {
		if !errors.Is(err, rft.ErrReentrant) {
			t.Error(what, err)
		}
	}
	if _, err := engine.Propose(within(t, patience), []byte("z")); err != nil {
		t.Error(err)
	}
	if got := m.holds(); len(got) != 2 {
		t.Error(got)
	}
}

func TestCallsFromCallbacks(t *testing.T) {
	m := &list{}
	engine := openAlone(t, alone(t), m)
	var errs []error
	m.lock.Lock()
	m.onApply = func([]rft.Entry) error {
		_, status := engine.Status()
		errs = append(errs, engine.Close(), status)
		return nil
	}
	m.lock.Unlock()
	if _, err := engine.Propose(within(t, patience), []byte("x")); err != nil {
		t.Error(err)
	}
	if len(errs) != 2 || !errors.Is(errs[0], rft.ErrReentrant) || errs[1] != nil {
		t.Error(errs)
	}
	m.lock.Lock()
	m.onApply = nil
	m.lock.Unlock()
	if _, err := engine.Propose(within(t, patience), []byte("y")); err != nil {
		t.Error(err)
	}
}
