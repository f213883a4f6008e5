package kube

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// trouble is what keeps a pod from becoming ready; without words there is none.
type trouble struct {
	words   string
	grace   int  // how many times the usual time it may last
	passing bool // it may be over at once: a container that is started anew
}

// quietReasons are those of containers that wait their turn.
var quietReasons = map[string]bool{"": true, "ContainerCreating": true, "PodInitializing": true}

// trouble reads the pod's own words.
func (p pod) trouble() trouble {
	if p.Metadata.DeletionTimestamp != nil {
		return trouble{}
	}
	name := "pod " + p.Metadata.Name
	if c := p.condition("PodScheduled"); c.Status == "False" {
		return trouble{words: name + ": " + brief(c.Reason, c.Message), grace: nodeGrace}
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if t := c.trouble(); t.words != "" {
			t.words = name + ", container " + c.Name + ": " + t.words
			return t
		}
	}
	if p.Status.Phase == "Failed" && p.Status.Reason != "" {
		return trouble{words: name + ": " + brief(p.Status.Reason, p.Status.Message), grace: 1, passing: true}
	}
	return trouble{}
}

func (c containerStatus) trouble() trouble {
	waiting := c.State.Waiting
	switch ended := cmp.Or(c.State.Terminated, c.LastState.Terminated); {
	case waiting != nil && waiting.Reason == "CrashLoopBackOff" && ended != nil:
		return trouble{words: "CrashLoopBackOff after " + ended.String(), grace: 1, passing: c.RestartCount < podRetries}
	case waiting != nil && !quietReasons[waiting.Reason]:
		return trouble{words: brief(waiting.Reason, waiting.Message), grace: 1}
	case c.State.Terminated != nil && c.State.Terminated.ExitCode != 0:
		return trouble{words: "it ended with " + c.State.Terminated.String(), grace: 1, passing: true}
	case ended != nil && ended.ExitCode != 0 && c.RestartCount >= podRetries:
		return trouble{words: fmt.Sprintf("restarted %d times, the last time after %s", c.RestartCount, ended), grace: 1, passing: true}
	}
	return trouble{}
}

// String is, for example, exit code 3 (Error): what the program left as its last words.
func (t *termination) String() string {
	text := fmt.Sprintf("exit code %d", t.ExitCode)
	if t.Reason != "" {
		text += " (" + t.Reason + ")"
	}
	if t.Message != "" {
		text = brief(text, t.Message)
	}
	return text
}

// longestWords is how much of a pod's message is repeated, in bytes.
const longestWords = 300

// brief joins a reason and its message, on one line.
func brief(reason, message string) string {
	message = strings.Join(strings.Fields(message), " ")
	if len(message) > longestWords {
		message = strings.ToValidUTF8(message[:longestWords], "") + "…"
	}
	if message == "" {
		return reason
	}
	return strings.TrimPrefix(reason+": "+message, ": ")
}
