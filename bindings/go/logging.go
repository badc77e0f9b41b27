package rft

// #include "shim.h"
import "C"

import (
	"context"
	"log/slog"
)

// linesMax is how many lines may wait for a slow logger. More are lost, because an engine waits for nobody's log.
const linesMax = 1024

type line struct {
	level slog.Level
	text  string
}

// LevelTrace is the level of the lines that [Config.Trace] asks for.
const LevelTrace = slog.LevelDebug - 4

func levelOf(level C.int32_t) slog.Level {
	switch level {
	case C.RFT_LOG_ERROR:
		return slog.LevelError
	case C.RFT_LOG_WARN:
		return slog.LevelWarn
	case C.RFT_LOG_INFO:
		return slog.LevelInfo
	case C.RFT_LOG_DEBUG:
		return slog.LevelDebug
	case C.RFT_LOG_TRACE:
		return LevelTrace
	default:
		return slog.LevelInfo // of a newer library
	}
}

// log hands a line over, or loses it.
func (h *host) log(level slog.Level, text string) {
	select {
	case h.lines <- line{level, text}:
	default:
	}
}

// write brings lines to the logger until the host is dropped.
func write(lines <-chan line, logger *slog.Logger) {
	for line := range lines {
		writeOne(logger, line)
	}
}

// A logger that panics loses its line and nothing else.
func writeOne(logger *slog.Logger, line line) {
	defer func() { _ = recover() }()
	logger.Log(context.Background(), line.level, line.text)
}
