package devo_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"okta-collector/internal/devo"
)

// resolver is a machine's DNS, which gives each name the address 127.0.0.1 while it works.
type resolver struct{ fails atomic.Value } // an error, or the code of each answer

// Dial gives Go's resolver a connection to the DNS. It is a stream, so that messages have their length before them.
func (r *resolver) Dial(context.Context, string, string) (net.Conn, error) {
	if err, ok := r.fails.Load().(error); ok {
		return nil, err
	}
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		var size [2]byte
		for {
			if _, err := io.ReadFull(server, size[:]); err != nil {
				return
			}
			question := make([]byte, int(size[0])<<8|int(size[1]))
			if _, err := io.ReadFull(server, question); err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(question) != nil {
				return
			}
			m.Response, m.Additionals = true, nil
			m.RCode = r.fails.Load().(dnsmessage.RCode)
			if q := m.Questions[0]; m.RCode == dnsmessage.RCodeSuccess && q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
				}}
			}
			answer, _ := m.Pack()
			if _, err := server.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...)); err != nil {
				return
			}
		}
	}()
	return client, nil
}

func TestADNSThatFailsIsNamedAndPassesWhenItWorksAgain(t *testing.T) {
	s := serve(t, nil, func(_ *server, c net.Conn, _ int) {
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	})
	_, port, err := net.SplitHostPort(s.Addr().String())
	require.NoError(t, err)
	for name, test := range map[string]struct {
		fails any
		want  string
	}{
		"it is not there":           {errors.New("connection refused"), "DNS does not answer"},
		"it answers with a failure": {dnsmessage.RCodeServerFailure, "DNS does not answer"},
		"it does not know the name": {dnsmessage.RCodeNameError, "DNS does not know the name devo.test."},
	} {
		t.Run(name, func(t *testing.T) {
			dns := &resolver{}
			dns.fails.Store(test.fails)
			before := net.DefaultResolver
			net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: dns.Dial}
			defer func() { net.DefaultResolver = before }()
			sink, err := devo.New(devo.Config{URL: "tcp://devo.test.:" + port})
			require.NoError(t, err)

			err = sink.Check(t.Context())
			require.ErrorContains(t, err, "lookup devo.test.")
			require.Contains(t, devo.Remedy(err), test.want)
			require.True(t, devo.Unreached(err))
			require.NotErrorIs(t, err, devo.ErrRefused, "it passes")

			works := &resolver{}
			works.fails.Store(dnsmessage.RCodeSuccess)
			net.DefaultResolver.Dial = works.Dial
			require.NoError(t, sink.Check(t.Context()))
		})
	}
}
