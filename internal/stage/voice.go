package stage

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gitops/sluice/internal/jsonl"
)

// voice is how a stage talks to people on stderr: "name: error: …", lower case, no full stop.
type voice struct {
	mu       sync.Mutex
	w        io.Writer
	name     string
	now      func() time.Time
	json     bool
	verbose  bool
	terminal bool
	progress time.Time // of the last progress line; zero when none stands on the terminal
}

// utterance is one line under --log-format json.
type utterance struct {
	Time    time.Time `json:"time"`
	Level   string    `json:"level"`
	Stage   string    `json:"stage"`
	Message string    `json:"message"`
	Hint    string    `json:"hint,omitempty"`
}

func (v *voice) say(level, message, hint string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clear()
	if v.json {
		line, err := json.Marshal(utterance{v.now().UTC(), level, v.name, message, hint})
		if err == nil {
			fmt.Fprintf(v.w, "%s\n", line)
		}
		return
	}
	prefix := v.name + ": "
	if level != "info" {
		prefix += level + ": "
	}
	// A message of several lines keeps its voice on each, so that grep finds the speaker.
	fmt.Fprintln(v.w, prefix+strings.ReplaceAll(strings.TrimRight(message, "\n"), "\n", "\n"+v.name+":   "))
	if hint != "" {
		fmt.Fprintf(v.w, "%s: hint: %s\n", v.name, hint)
	}
}

// track shows progress on a terminal, at most ten times a second.
func (v *voice) track(label string, done, total int) {
	if !v.terminal || v.json {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := time.Now(); now.Sub(v.progress) > 100*time.Millisecond {
		fmt.Fprintf(v.w, "\r\x1b[K%s: %s %d/%d", v.name, label, done, total)
		v.progress = now
	}
}

// diff shows a unified diff, in colours on a terminal that wants them.
func (v *voice) diff(text string, colours bool) {
	if v.json {
		v.say("info", text, "")
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clear()
	for line := range strings.Lines(text) {
		if colour := colourOf(line); colours && v.terminal && colour != "" {
			line = colour + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
		}
		_, _ = io.WriteString(v.w, line)
	}
}

func colourOf(line string) string {
	switch {
	case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
		return "\x1b[1m"
	case strings.HasPrefix(line, "@@"):
		return "\x1b[36m"
	case strings.HasPrefix(line, "-"):
		return "\x1b[31m"
	case strings.HasPrefix(line, "+"):
		return "\x1b[32m"
	}
	return ""
}

// clear takes a progress line off the terminal; the caller holds mu.
func (v *voice) clear() {
	if !v.progress.IsZero() {
		fmt.Fprint(v.w, "\r\x1b[K")
		v.progress = time.Time{}
	}
}

// sentence is an error record as a line for people: the place first, then the object.
func sentence(e jsonl.Error) string {
	var place string
	switch {
	case e.File != "" && e.Line > 0:
		place = fmt.Sprintf("%s:%d: ", e.File, e.Line)
	case e.File != "":
		place = e.File + ": "
	}
	if e.Source != "" {
		place = e.Source + ": " + place
	}
	if e.ID != "" {
		place += e.ID + " "
	}
	return place + e.Message
}
