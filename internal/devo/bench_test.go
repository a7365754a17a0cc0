package devo_test

import (
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
	"okta-collector/internal/devosim"
)

// BenchmarkShip ships batches as large as a page of the System Log: 1,000 events of 2.8 KB.
func BenchmarkShip(b *testing.B) {
	discard := func(_ *server, c net.Conn, _ int) {
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, c, make([]byte, 256<<10))
		_ = c.Close()
	}
	ca := newAuthority(b, "ca")
	f := clientFiles(b, ca, ca, "client")
	var p posts
	for _, c := range []struct{ name, url string }{
		{"file", "file://" + b.TempDir()},
		{"tcp", serve(b, nil, discard).url("tcp")},
		{"tls", serve(b, ca.serverTLS(b, nil), discard).url("tls")},
		{"http", httpServer(b, &p)},
	} {
		b.Run(c.name, func(b *testing.B) {
			cfg := httpConfig(c.url)
			cfg.ChainFile, cfg.CertFile, cfg.KeyFile = f.chain, f.cert, f.key
			sink, err := devo.New(cfg)
			require.NoError(b, err)
			stream := openStream(b, sink, devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system"})
			batch := objects(0, 1000, 2780)
			batch.Members = []byte(`"@devo_pulling_id":1795332420123`)
			b.SetBytes(2_800_000)
			b.ReportAllocs()
			for b.Loop() {
				ship(b, stream, batch)
				p.bodies = nil
			}
			stream.Close()
		})
	}
}

// BenchmarkManners ships batches as a slice does while Okta is the slower side, one at a time and 250 events of 2.8 KB, to
// servers that close in each manner. The first look at the server is not counted.
func BenchmarkManners(b *testing.B) {
	for _, manner := range devosim.Manners {
		b.Run(string(manner), func(b *testing.B) {
			s, err := devosim.Start(devosim.Config{Dir: filepath.Join(b.TempDir(), "certificates"), Manner: manner})
			require.NoError(b, err)
			defer s.Close()
			pki := s.PKI()
			sink, err := devo.New(devo.Config{URL: s.SyslogURL(), ChainFile: pki.ChainFile, CertFile: pki.ClientCertFile, KeyFile: pki.ClientKeyFile})
			require.NoError(b, err)
			devo.SetTimeouts(sink, devo.Timeouts{Unanswered: time.Second, Stagger: time.Millisecond, FIN: time.Second / 5})
			require.NoError(b, sink.Check(b.Context()))
			stream := openStream(b, sink, target)
			const events = 250
			for b.Loop() {
				batch := objects(0, events, 2780)
				batch.More = true
				ship(b, stream, batch)
			}
			b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
			stream.Close()
		})
	}
}
