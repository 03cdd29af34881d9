package cli

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/lmittmann/tint"

	"github.com/hookswitch/hookswitch/internal/config"
)

// logger makes the log of a server, on standard error.
func (a *app) logger(c config.Log) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("read log level: %w", err)
	}
	colours := a.palette(a.StderrTerminal)
	switch {
	case c.Format == config.LogJSON:
		return slog.New(slog.NewJSONHandler(a.Stderr, &slog.HandlerOptions{Level: level, ReplaceAttr: durationText})), nil
	case a.StderrTerminal:
		return slog.New(tint.NewTextHandler(a.Stderr, &tint.Options{Level: level, NoColor: !colours.on, TimeFormat: time.TimeOnly})), nil
	}
	return slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: level})), nil
}

// durationText gives a duration as text with its unit, as the other formats do; JSON would give a bare number of nanoseconds.
func durationText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
