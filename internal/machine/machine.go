// Package machine names what is wrong with the machine that the worker runs on, when it cannot open a connection or write
// a file. None of it lasts: the worker goes on by itself when the cause is gone.
package machine

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// Remedy says what to do about an error that has its cause on this machine; empty if it has another cause.
func Remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return "this worker has no file descriptor left: raise its limit of open files (LimitNOFILE=, ulimit -n), and restart it"
	case errors.Is(err, syscall.ENFILE):
		return "this machine has no file descriptor left: find the program that has opened so many, or raise fs.file-max"
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full: free some space on it"
	case errors.Is(err, syscall.EDQUOT):
		return "the disk quota is used up: free some space, or raise the quota"
	case errors.Is(err, syscall.EFBIG):
		return "the file has reached the largest size that is permitted: raise the limit (LimitFSIZE=, ulimit -f), or begin another directory"
	}
	lookup, ok := errors.AsType[*net.DNSError](err)
	switch {
	case !ok:
		return ""
	case lookup.IsNotFound:
		return fmt.Sprintf("DNS does not know the name %s: check the setting that has it, and this machine's DNS (/etc/resolv.conf)", lookup.Name)
	}
	return "this machine's DNS does not answer: check the servers in /etc/resolv.conf"
}
