package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
)

// Ports are drawn from below the range from which systems take the local ports
// of outgoing connections: a daemon that is away for a while should find its
// own still free.
const (
	firstPort = 20_000
	lastPort  = 31_999
)

// given are the ports that were handed out and may not be in use yet.
var given struct {
	mu    sync.Mutex
	ports []int
}

// freePort finds a port of the loopback address that is free for TCP and UDP.
func freePort() (int, error) {
	given.mu.Lock()
	defer given.mu.Unlock()
	var err error
	for range 256 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if slices.Contains(given.ports, port) {
			continue
		}
		if err = probe(port); err == nil {
			given.ports = append(given.ports, port)
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

func probe(port int) error {
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	t, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	defer t.Close()
	u, err := net.ListenPacket("udp4", addr)
	if err != nil {
		return err
	}
	return u.Close()
}
