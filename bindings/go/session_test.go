package rft_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	rft "github.com/raft-ffi/raft-ffi/bindings/go"
)

func TestCommandOfASessionIsAppliedOnce(t *testing.T) {
	machine := &list{}
	engine := openAlone(t, alone(t), machine)
	ctx := within(t, patience)
	session, err := engine.OpenSession(ctx)
	must(t, err)
	for range 3 {
		outcome, err := engine.ProposeOnce(ctx, session, 1, []byte("once"))
		if err != nil || string(outcome.Answer) != "1" {
			t.Error(outcome, err)
		}
	}
	if held := machine.holds(); len(held) != 1 {
		t.Error(held)
	}
	wants(t, rft.ErrInvalidArg, second(engine.ProposeOnce(ctx, session, 0, nil)))
	must(t, second(engine.ProposeOnce(ctx, session, 2, []byte("x"))))
	wants(t, rft.ErrSession, second(engine.ProposeOnce(ctx, session, 1, []byte("once"))))
	must(t, engine.CloseSession(ctx, session))
	wants(t, rft.ErrSession, second(engine.ProposeOnce(ctx, session, 3, []byte("y"))))
	wants(t, rft.ErrSession, engine.CloseSession(ctx, session))
}

func TestReadsOfAnAgeAndWhatIsCounted(t *testing.T) {
	engine := openAlone(t, alone(t), &list{})
	ctx := within(t, patience)
	must(t, second(engine.Propose(ctx, []byte("x"))))
	for _, age := range []time.Duration{-1, 0, time.Second, 1 << 62} {
		outcome, err := engine.ReadWithin(ctx, age)
		if err != nil || outcome.Age > max(age, 0) {
			t.Error(age, outcome, err)
		}
	}
	if count, err := engine.Counter(rft.CounterApplied); err != nil || count < 1 {
		t.Error(count, err)
	}
	wants(t, rft.ErrInvalidArg, second(engine.Counter(-1)))
	if text, err := engine.Metrics(); err != nil || !bytes.Contains(text, []byte("# TYPE")) {
		t.Errorf("%s %v", text, err)
	}
	var status map[string]any
	text, err := engine.StatusJSON()
	must(t, err)
	if err := json.Unmarshal(text, &status); err != nil || len(status) == 0 {
		t.Errorf("%s %v", text, err)
	}
	must(t, engine.Close())
	wants(t, rft.ErrStopped, second(engine.Metrics()))
	wants(t, rft.ErrStopped, second(engine.OpenSession(ctx)))
}
