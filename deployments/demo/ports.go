package main

import (
	"fmt"
	"net"
	"strconv"
)

// ports are those that people know by heart; 0 is any free one. A port that is taken is
// replaced by a free one, because there may well be another Temporal on the machine.
type ports struct{ temporal, ui, metrics int }

var wellKnownPorts = ports{temporal: 7233, ui: 8233, metrics: 9464}

const loopback = "127.0.0.1"

// choosePort returns the preferred port of the loopback address, or a free one.
func choosePort(preferred int) (int, error) {
	listener, err := net.Listen("tcp", address(preferred))
	if err != nil {
		listener, err = net.Listen("tcp", address(0))
	}
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	return port, nil
}

func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
