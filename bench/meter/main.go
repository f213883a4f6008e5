// Command meter runs a command and writes what it cost as JSON into a file.
//
//	meter FILE COMMAND [ARG...]
//
// It is a program of its own because it is small: Linux counts the memory that a process has
// before it becomes another program as that program's, so what a large parent starts is never
// measured smaller than the parent.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: meter FILE COMMAND [ARG...]")
		os.Exit(2)
	}
	command := exec.Command(os.Args[2], os.Args[3:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	began := time.Now()
	err := command.Run()
	wall := time.Since(began)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "meter:", err)
		os.Exit(1)
	}
	usage := command.ProcessState.SysUsage().(*syscall.Rusage)
	cost, err := json.Marshal(map[string]int64{
		"wall": wall.Nanoseconds(),
		"cpu":  (command.ProcessState.UserTime() + command.ProcessState.SystemTime()).Nanoseconds(),
		"peak": usage.Maxrss * 1024, // of the largest single process
	})
	if err == nil {
		err = os.WriteFile(os.Args[1], cost, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "meter:", err)
		os.Exit(1)
	}
	os.Exit(command.ProcessState.ExitCode())
}
