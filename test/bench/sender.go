package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"okta-collector/internal/devosim"
)

const (
	// hostname is the host in the records of the collector and of the sender.
	hostname = "bench"
	// logTag is the Devo table of log events.
	logTag = "auth.okta.system"
	// sendBuffer is how many bytes the sender gathers for one write: as many as the collector.
	sendBuffer = 128 << 10
)

func senderCommand() *cobra.Command {
	return measured("sender URL ADDRESS CERTIFICATES", "Send page after page over one TLS connection, and confirm nothing", 3,
		func(ctx context.Context, args []string) error { return sendAll(ctx, args[0], args[1], args[2]) })
}

// sendAll is what the collector is compared with over TLS: it follows the same pages, and sends the same records over one
// connection that it keeps. It does not wait for anything that Devo could say, keeps no position, and has encoding/json find
// the objects of a page.
//
// Its time ends when it has written everything and closed the connection. A part of it is then still in the
// kernels' buffers and on the way. This sender cannot know whether that part arrives.
func sendAll(ctx context.Context, url, address, certificates string) error {
	conn, err := dialDevo(ctx, address, certificates)
	if err != nil {
		return err
	}
	defer conn.Close()
	out := bufio.NewWriterSize(conn, sendBuffer)
	member := fmt.Appendf(nil, `,"@devo_pulling_id":%d}`+"\n", time.Now().UnixMilli())
	err = follow(ctx, url, func(page []byte, _ string) error {
		head := fmt.Appendf(nil, "<14>%s %s %s: ", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), hostname, logTag)
		var objects []json.RawMessage
		if err := json.Unmarshal(page, &objects); err != nil {
			return err
		}
		for _, object := range objects {
			for _, piece := range [][]byte{head, object[:len(object)-1], member} {
				if _, err := out.Write(piece); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return conn.Close()
}

// dialDevo opens a TLS connection with the client's certificate in a directory.
func dialDevo(ctx context.Context, address, certificates string) (*tls.Conn, error) {
	pki, err := devosim.NewPKI(certificates)
	if err != nil {
		return nil, err
	}
	own, err := tls.LoadX509KeyPair(pki.ClientCertFile, pki.ClientKeyFile)
	if err != nil {
		return nil, err
	}
	roots, err := roots(pki)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}, ServerName: host, MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil // the type of a tls.Dialer's connections
}

// roots are the certificates of the authority.
func roots(pki *devosim.PKI) (*x509.CertPool, error) {
	chain, err := os.ReadFile(pki.ChainFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(chain) {
		return nil, errors.New("the chain has no certificate")
	}
	return pool, nil
}

// sendWithoutConfirmation measures the sender over an address, and waits until Devo has what it sent.
func (b *bench) sendWithoutConfirmation(ctx context.Context, o *org, address string) (measurement, error) {
	b.devo.clear()
	m, err := b.measureLoop(ctx, "sender", o.firstPage(), address, b.devo.certificates)
	if err != nil {
		return m, err
	}
	m.Repeated, err = b.devo.verify(ctx, o)
	return m, err
}
