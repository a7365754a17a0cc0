package devo_test

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
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
