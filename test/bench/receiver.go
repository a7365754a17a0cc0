package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"okta-collector/internal/devosim"
)

const (
	// maxLine bounds a record in bytes.
	maxLine = 1 << 20
	// drain is how long what was sent may take to arrive. It is no expectation.
	drain = 5 * time.Minute
)

// receiver stands for Devo's syslog endpoint over TLS where speed is measured. It ends connections as devosim does: with
// close_notify, after it has read everything. But devosim checks each byte of each record, and would take as much CPU as
// the collector. The receiver notes no more of an event than the checksum of its bytes, and when it arrived. verify compares
// the checksums with the org's events when nothing is measured any more.
type receiver struct {
	address      string
	certificates string // the directory of the client's
	listener     net.Listener
	serving      sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]struct{}
	// arrived is when events first arrived, in nanoseconds since the epoch, by their checksums without what the collector
	// adds.
	arrived map[uint64]int64
	records int
	wrong   error // the first thing that is not as it has to be
}

// startReceiver listens with the certificates of a directory, which are made if there are none.
func startReceiver(certificates string) (*receiver, error) {
	pki, err := devosim.NewPKI(certificates)
	if err != nil {
		return nil, err
	}
	own, err := tls.LoadX509KeyPair(pki.ServerCertFile, pki.ServerKeyFile)
	if err != nil {
		return nil, err
	}
	roots, err := roots(pki)
	if err != nil {
		return nil, err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
	})
	if err != nil {
		return nil, fmt.Errorf("standing in for Devo: %w", err)
	}
	r := &receiver{address: listener.Addr().String(), certificates: certificates, listener: listener, open: map[net.Conn]struct{}{}}
	r.clear()
	r.serving.Go(r.accept)
	return r, nil
}

// settings have the collector ship over an address that leads to the receiver. Only close_notify confirms: the kernel that
// acknowledges bytes on the way is that of a wire.
func (r *receiver) settings(address string) ([]string, error) {
	pki, err := devosim.NewPKI(r.certificates)
	if err != nil {
		return nil, err
	}
	return []string{
		"DEVO_URL=tls://" + address, "DEVO_CHAIN_FILE=" + pki.ChainFile, "DEVO_CERT_FILE=" + pki.ClientCertFile,
		"DEVO_KEY_FILE=" + pki.ClientKeyFile, "DEVO_CONFIRM=close", "DEVO_HOSTNAME=" + hostname, "DEVO_REPORT=off",
	}, nil
}

func (r *receiver) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		r.mu.Lock()
		r.open[conn] = struct{}{}
		r.mu.Unlock()
		r.serving.Go(func() {
			r.read(conn)
			_ = conn.Close() // with close_notify; the client may be gone
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.open, conn)
		})
	}
}

// read reads records until the client ends the connection. The last one may be cut off: then it has not arrived.
func (r *receiver) read(conn net.Conn) {
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 256<<10), maxLine)
	lines.Split(func(data []byte, _ bool) (advance int, line []byte, err error) {
		if end := bytes.IndexByte(data, '\n'); end >= 0 {
			return end + 1, data[:end], nil
		}
		return 0, nil, nil
	})
	for lines.Scan() {
		r.take(lines.Bytes(), time.Now())
	}
}

var (
	endOfHead  = []byte(" " + hostname + " " + logTag + ": ")
	firstAdded = []byte(`,"@`)
)

// take notes a record.
func (r *receiver) take(line []byte, at time.Time) {
	_, object, found := bytes.Cut(line, endOfHead)
	added := bytes.LastIndex(object, firstAdded)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records++
	if !found || added < 0 {
		if r.wrong == nil {
			r.wrong = fmt.Errorf("this is no record of a log event: %.200q", line)
		}
		return
	}
	sum := devosim.Sum(object[:added])
	if _, again := r.arrived[sum]; !again {
		r.arrived[sum] = at.UnixNano()
	}
}

// clear forgets what has arrived.
func (r *receiver) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrived, r.records, r.wrong = map[uint64]int64{}, 0, nil
}

// verify waits until all connections have ended, and requires that each event of the org has arrived, byte for byte. It
// returns how many arrived beyond that, a second time.
func (r *receiver) verify(ctx context.Context, o *org) (repeated int, err error) {
	if err := r.quiet(ctx); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wrong != nil {
		return 0, r.wrong
	}
	want := 0
	for i, object := range o.All("logs") {
		want++
		if _, arrived := r.arrived[sumOf(object)]; !arrived {
			return 0, fmt.Errorf("event %d has not arrived, or not as it was sent; %d events have arrived", i, len(r.arrived))
		}
	}
	if len(r.arrived) > want {
		return 0, fmt.Errorf("%d events arrived that the org does not have", len(r.arrived)-want)
	}
	return r.records - want, nil
}

// quiet waits until all connections have ended.
func (r *receiver) quiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drain)
	defer cancel()
	for {
		r.mu.Lock()
		open := len(r.open)
		r.mu.Unlock()
		if open == 0 {
			return nil
		}
		if err := pass(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("%d connections to Devo do not end: %w", open, err)
		}
	}
}

// sumOf is the checksum of an event of the org.
func sumOf(object []byte) uint64 { return devosim.Sum(object[:len(object)-1]) }

// first is when an event first arrived.
func (r *receiver) first(object []byte) (at time.Time, arrived bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	nanoseconds, arrived := r.arrived[sumOf(object)]
	return time.Unix(0, nanoseconds), arrived
}

// close ends everything at once.
func (r *receiver) close() {
	_ = r.listener.Close()
	r.mu.Lock()
	for conn := range r.open {
		_ = conn.(*tls.Conn).NetConn().Close()
	}
	r.mu.Unlock()
	r.serving.Wait()
}
