package activities_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
	"okta-collector/internal/secret"
)

const (
	pageEvents = 1000
	pageCount  = 5 // of different pages
)

// BenchmarkAPageFromBytesReceivedToBytesWritten moves pages of 1,000 log events of 2.8 KB into a file, as a slice does. An
// operation is one page. It begins when the body of the answer is first read, and ends when the last byte was written. So
// it reads the answer's body and links, finds and checks the events, makes the page and its position, and renders and
// writes the lines. The request before it, the sync and the checkpoint after it are not measured.
func BenchmarkAPageFromBytesReceivedToBytesWritten(b *testing.B) {
	received := receivedPages(b)
	org, err := okta.New(okta.Config{
		Tenant: "acme", URL: "https://acme.okta.com", Authorizer: okta.APIToken(secret.Value("token")), RateShare: 1,
		LogsHistory: 24 * time.Hour, Transport: &pages{bodies: received, reading: b.StartTimer},
	})
	require.NoError(b, err)
	logs, _ := okta.Lookup("logs")
	reader := org.Reader(logs, okta.Begin{}, time.Now)
	defer reader.Close()
	sink, err := devo.New(devo.Config{URL: "file://" + b.TempDir()})
	require.NoError(b, err)
	stream, err := sink.Open(b.Context(), devo.Target{Name: "okta/acme/logs", Tag: logs.Table})
	require.NoError(b, err)
	defer stream.Close()

	var at checkpoint.Position
	b.SetBytes(int64(len(received[0])))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer() // until the body is read
		page, err := reader.Next(b.Context(), at)
		require.NoError(b, err)
		delivery, err := stream.Send(b.Context(), devo.Batch{Objects: page.Objects, Members: page.Members, More: true})
		b.StopTimer()
		require.NoError(b, err)
		_, err = delivery.Wait(b.Context())
		require.NoError(b, err)
		require.Len(b, page.Objects, pageEvents)
		if at = page.Position; at.Pull.Events == pageCount*pageEvents {
			at = checkpoint.Position{} // the first page comes again
		}
		page.Release()
		b.StartTimer()
	}
}

// receivedPages returns the bodies of answers of the System Log.
func receivedPages(b *testing.B) (bodies [][]byte) {
	sim, err := oktasim.New(oktasim.Config{
		Seed: 1, Token: "token", Counts: map[string]int{"logs": pageCount * pageEvents, "users": 1000}, EventBytes: 2800,
	})
	require.NoError(b, err)
	var body []byte
	for i, event := range sim.All("logs") {
		body = append(append(body, "[,"[min(i%pageEvents, 1)]), event...)
		if (i+1)%pageEvents == 0 {
			bodies, body = append(bodies, append(body, ']')), nil
		}
	}
	return bodies
}

// pages is an Okta that answers with these bodies in turn. It says when one is first read.
type pages struct {
	bodies  [][]byte
	reading func()
	sent    int
}

func (p *pages) RoundTrip(r *http.Request) (*http.Response, error) {
	received := p.bodies[p.sent%len(p.bodies)]
	p.sent++
	link := func(after int, rel string) string {
		return fmt.Sprintf(`<https://%s%s?limit=1000&sortOrder=ASCENDING&after=%d>; rel="%s"`, r.URL.Host, r.URL.Path, after, rel)
	}
	return &http.Response{
		StatusCode: http.StatusOK, ContentLength: int64(len(received)), Body: &body{bytes.NewReader(received), p.reading},
		Header: http.Header{
			"Date":                   {time.Now().UTC().Format(http.TimeFormat)},
			"Link":                   {link(p.sent, "self"), link(p.sent+1, "next")},
			"X-Rate-Limit-Limit":     {"1000000"},
			"X-Rate-Limit-Remaining": {"1000000"},
			"X-Rate-Limit-Reset":     {strconv.FormatInt(time.Now().Unix()+60, 10)},
		},
	}, nil
}

// body is that of an answer, which came as a whole.
type body struct {
	io.Reader
	reading func() // called before the first byte is read
}

func (b *body) Read(p []byte) (int, error) {
	if b.reading != nil {
		b.reading()
		b.reading = nil
	}
	return b.Reader.Read(p)
}

func (b *body) Close() error { return nil }
