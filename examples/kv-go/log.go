package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// lines writes what is logged as lines of time, level and text. Attributes are left out.
type lines struct {
	least slog.Level
	lock  *sync.Mutex
	to    io.Writer
	who   string // in front of the text
}

func newLogger(to io.Writer, verbose bool) *slog.Logger {
	least := slog.LevelInfo
	if verbose {
		least = slog.LevelDebug
	}
	return slog.New(lines{least, new(sync.Mutex), to, ""})
}

// of is a logger whose lines begin with a name.
func of(logger *slog.Logger, name string) *slog.Logger {
	handler, _ := logger.Handler().(lines)
	handler.who = name + ": "
	return slog.New(handler)
}

// Enabled says whether a line of this level is written.
func (l lines) Enabled(_ context.Context, level slog.Level) bool { return level >= l.least }

// Handle writes a line, in one call, so that lines of several goroutines do not mix.
func (l lines) Handle(_ context.Context, record slog.Record) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	_, err := fmt.Fprintf(l.to, "%s %-5s %s%s\n", record.Time.UTC().Format("2006-01-02T15:04:05.000Z"),
		record.Level, l.who, record.Message)
	return err
}

// WithAttrs changes nothing.
func (l lines) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup changes nothing.
func (l lines) WithGroup(string) slog.Handler { return l }
