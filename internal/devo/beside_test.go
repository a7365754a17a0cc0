package devo_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

// beside is a batch of two objects between records for other tables.
func beside() devo.Batch {
	record := func(tag, json string) devo.Record { return devo.Record{Tag: tag, JSON: []byte(json)} }
	batch := objects(0, 2, 1)
	batch.Members = []byte(`"@devo_pulling_id":7`)
	batch.Before = []devo.Record{record("my.app.okta.deleted", `{"id":"a"}`), record("my.app.okta.deleted", `{"id":"b"}`), record("my.app.okta.pulls", `{"c":1}`)}
	batch.After = []devo.Record{record("my.app.okta.pulls", `{"d":1}`)}
	return batch
}

// besideLines are its lines by their tables, with the environment prod.
var besideLines = [][2]string{
	{"my.app.okta.deleted", `{"id":"a","@devo_environment":"prod"}`},
	{"my.app.okta.deleted", `{"id":"b","@devo_environment":"prod"}`},
	{"my.app.okta.pulls", `{"c":1,"@devo_environment":"prod"}`},
	{"auth.okta.system", `{"n":0,"pad":"x","@devo_pulling_id":7,"@devo_environment":"prod"}`},
	{"auth.okta.system", `{"n":1,"pad":"x","@devo_pulling_id":7,"@devo_environment":"prod"}`},
	{"my.app.okta.pulls", `{"d":1,"@devo_environment":"prod"}`},
}

// asRecords are these lines in Devo's syslog.
func asRecords() (text string) {
	for _, line := range besideLines {
		text += fmt.Sprintf("<14>2026-11-22T06:27:00.123Z host-1 %s: %s\n", line[0], line[1])
	}
	return text
}

func inProd(cfg devo.Config) devo.Config {
	cfg.Environment, cfg.Hostname = "prod", "host-1"
	cfg.Now = func() time.Time { return time.Date(2026, 11, 22, 6, 27, 0, 123e6, time.UTC) }
	return cfg
}

func TestRecordsGoOverTheConnectionOfTheirBatchInOrder(t *testing.T) {
	overBoth(t, readAll, func(t *testing.T, s *server, cfg devo.Config) {
		stats, err := deliver(t.Context(), open(t, inProd(cfg), devo.Timeouts{}), beside())
		require.NoError(t, err)
		require.Equal(t, asRecords(), s.text())
		var bytes int
		for _, line := range besideLines {
			bytes += len(line[1])
		}
		require.EqualValues(t, bytes, stats.Bytes)
	})
}

func TestRecordsArePrintedWithTheirBatch(t *testing.T) {
	sink := newSink(t, inProd(devo.Config{URL: "stdout:"}))
	var out bytes.Buffer
	devo.SetOutput(sink, &out)
	ship(t, openStream(t, sink, target), beside())
	require.Equal(t, asRecords(), out.String())
}

func TestRecordsAreLinesOfTheFileUnderOneOffset(t *testing.T) {
	var want string
	for _, line := range besideLines {
		want += line[1] + "\n"
	}
	dir := t.TempDir()
	sink := newSink(t, inProd(devo.Config{URL: "file://" + dir}))
	stream := openStream(t, sink, logsTarget(nil))
	ship(t, stream, beside())
	require.EqualValues(t, len(want), *stream.Offset())
	checkpoint := stream.Offset()
	ship(t, stream, beside()) // its checkpoint never became durable
	stream.Close()
	require.Equal(t, want+want, read(t, dir, "okta/acme/logs.jsonl"))
	openStream(t, sink, logsTarget(checkpoint)).Close()
	require.Equal(t, want, read(t, dir, "okta/acme/logs.jsonl"))
}

func TestOverHTTPEachTableIsPostedAndConfirmedInOrder(t *testing.T) {
	var p posts
	ship(t, openStream(t, newSink(t, inProd(httpConfig(httpServer(t, &p)))), target), beside())
	var tables []string
	for _, uri := range p.uris {
		tables = append(tables, uri[strings.LastIndexByte(uri, '/')+1:])
	}
	require.Equal(t, []string{"my.app.okta.deleted", "my.app.okta.pulls", "auth.okta.system", "my.app.okta.pulls"}, tables)
	require.Equal(t, []string{
		besideLines[0][1] + "\n" + besideLines[1][1] + "\n", besideLines[2][1] + "\n",
		besideLines[3][1] + "\n" + besideLines[4][1] + "\n", besideLines[5][1] + "\n",
	}, p.bodies)
}

func TestOverHTTPNothingFollowsATableThatIsNotConfirmed(t *testing.T) {
	for _, refused := range []string{"my.app.okta.deleted", "my.app.okta.pulls", "auth.okta.system"} {
		t.Run(refused, func(t *testing.T) {
			var p posts
			url := httpServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				p.ServeHTTP(w, r)
				if strings.HasSuffix(r.RequestURI, refused) {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}))
			_, err := deliver(t.Context(), openStream(t, newSink(t, inProd(httpConfig(url))), target), beside())
			require.Error(t, err)
			require.Equal(t, map[string]int{"my.app.okta.deleted": 1, "my.app.okta.pulls": 2, "auth.okta.system": 3}[refused], len(p.uris))
		})
	}
}

func TestABatchMayHaveOnlyRecords(t *testing.T) {
	batch := beside()
	batch.Objects, batch.After = nil, nil
	var p posts
	s := serve(t, nil, readAll)
	dir := t.TempDir()
	var out bytes.Buffer
	printing := newSink(t, devo.Config{URL: "stdout:"})
	devo.SetOutput(printing, &out)
	for _, sink := range []devo.Sink{
		newSink(t, devo.Config{URL: s.url("tcp")}), newSink(t, httpConfig(httpServer(t, &p))), newSink(t, devo.Config{URL: "file://" + dir}), printing,
	} {
		ship(t, openStream(t, sink, logsTarget(nil)), batch)
	}
	require.Equal(t, 3, strings.Count(s.text(), "\n"))
	require.Len(t, p.uris, 2)
	require.Equal(t, 3, strings.Count(read(t, dir, "okta/acme/logs.jsonl"), "\n"))
	require.Equal(t, 3, strings.Count(out.String(), "\n"))
}

func TestARecordThatCouldBreakALineIsNotSent(t *testing.T) {
	for name, record := range map[string]devo.Record{
		"no object":   {Tag: "my.app.okta.pulls", JSON: []byte(`[]`)},
		"too large":   {Tag: "my.app.okta.pulls", JSON: []byte(`{"a":"` + strings.Repeat("x", 2<<10) + `"}`)},
		"no table":    {Tag: "my app", JSON: []byte(`{}`)},
		"another URL": {Tag: "../../other", JSON: []byte(`{}`)},
	} {
		t.Run(name, func(t *testing.T) {
			var p posts
			s := serve(t, nil, readAll)
			printing := newSink(t, devo.Config{URL: "stdout:"})
			devo.SetOutput(printing, io.Discard)
			for _, sink := range []devo.Sink{
				newSink(t, devo.Config{URL: s.url("tcp")}), newSink(t, httpConfig(httpServer(t, &p))), newSink(t, devo.Config{URL: "file://" + t.TempDir()}), printing,
			} {
				batch := objects(0, 1, 1)
				batch.After = []devo.Record{record}
				_, err := deliver(t.Context(), openStream(t, sink, logsTarget(nil)), batch)
				require.ErrorIs(t, err, devo.ErrUnsent)
			}
			require.Empty(t, p.uris)
			require.Empty(t, s.text())
		})
	}
}
