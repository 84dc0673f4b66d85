package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// interruptions gives the signals that ask us to stop. SIGPIPE is one only if
// nobody reads any more what we print: it also comes when we write to a child
// that has just ended, which is not about us.
func interruptions() <-chan os.Signal {
	all, stops := make(chan os.Signal, 16), make(chan os.Signal, 2)
	signal.Notify(all, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	go func() {
		for s := range all {
			if s == syscall.SIGPIPE && !unread(os.Stdout) && !unread(os.Stderr) {
				continue
			}
			select {
			case stops <- s:
			default: // two are enough
			}
		}
	}()
	return stops
}

// unread says whether a pipe or socket that we write to has no reader left.
func unread(f *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(f.Fd())}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
}
