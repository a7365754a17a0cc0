package devo_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
	"okta-collector/internal/devosim"
	"okta-collector/internal/secret"
)

// whenSent is the time in the heads of [inProd].
const whenSent = "2026-11-22T06:27:00.123Z"

var (
	published   = devo.Config{URL: "stdout:", EventTime: devo.EventTimePublished}
	eventTarget = devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system", Time: "published"}
)

// times are the dates in the heads of lines.
func times(text string) (all []string) {
	for line := range strings.Lines(text) {
		all = append(all, strings.Fields(line)[0])
	}
	return all
}

// printed is what a stdout sink prints of a batch.
func printed(t testing.TB, cfg devo.Config, to devo.Target, batch devo.Batch) string {
	t.Helper()
	sink := newSink(t, inProd(cfg))
	var out bytes.Buffer
	devo.SetOutput(sink, &out)
	ship(t, openStream(t, sink, to), batch)
	return out.String()
}

func TestARecordBearsTheTimeOfItsEvent(t *testing.T) {
	for _, c := range []struct{ name, object, want string }{
		{"in UTC", `{"published":"2026-11-15T10:20:30.456Z"}`, "2026-11-15T10:20:30.456Z"},
		{"among others", `{"actor":{"published":"x"},"a":[1,"]"],"published":"2026-11-15T10:20:30.456Z","uuid":"u"}`, "2026-11-15T10:20:30.456Z"},
		{"in another zone", `{"published":"2026-11-15T00:20:30.456+02:00"}`, "2026-11-14T22:20:30.456Z"},
		{"with nanoseconds", `{"published":"2026-11-15T10:20:30.456999999Z"}`, "2026-11-15T10:20:30.456Z"},
		{"in whole seconds", `{"published":"2026-11-15T10:20:30Z"}`, "2026-11-15T10:20:30.000Z"},
		{"in a spelling that Go reads too", `{"published":"2026-11-15T1:20:30,5Z"}`, "2026-11-15T01:20:30.500Z"},
		{"twice", `{"published":"2026-11-15T10:20:30Z","published":"2026-11-16T10:20:30Z"}`, "2026-11-15T10:20:30.000Z"},
		{"missing", `{"uuid":"u"}`, whenSent},
		{"in an empty object", `{}`, whenSent},
		{"of another member", `{"target":{"published":"2026-11-15T10:20:30Z"}}`, whenSent},
		{"a number", `{"published":1795332420123}`, whenSent},
		{"null", `{"published":null}`, whenSent},
		{"an object", `{"published":{"a":"2026-11-15T10:20:30Z"}}`, whenSent},
		{"empty", `{"published":""}`, whenSent},
		{"a date alone", `{"published":"2026-11-15"}`, whenSent},
		{"a day that does not exist", `{"published":"2026-02-30T10:20:30Z"}`, whenSent},
		{"with a blank", `{"published":"2026-11-15 10:20:30Z"}`, whenSent},
		{"with another record in it", `{"published":"2026-11-15T10:20:30Z\n<14>"}`, whenSent},
		{"with a line end", "{\"published\":\"2026-11-15T10:20:30Z\n\"}", whenSent},
		{"before 1970", `{"published":"0001-01-01T00:00:00Z"}`, whenSent},
		{"in a year of five digits in UTC", `{"published":"9999-12-31T23:59:59-12:00"}`, whenSent},
	} {
		t.Run(c.name, func(t *testing.T) {
			batch := devo.Batch{Objects: [][]byte{[]byte(`{"first":true}`), []byte(c.object), []byte(`{"last":true}`)}}
			out := printed(t, published, eventTarget, batch)
			require.Equal(t, []string{"<14>" + whenSent, "<14>" + c.want, "<14>" + whenSent}, times(out))
		})
	}
}

func TestOnlyEventsBearATimeOfTheirOwnAndOnlyIfThatIsAskedFor(t *testing.T) {
	const dated = `{"published":"2026-11-15T10:20:30.456Z"}`
	record := []devo.Record{{Tag: "my.app.okta.deleted", JSON: []byte(dated)}}
	batch := devo.Batch{Objects: [][]byte{[]byte(dated)}, Before: record, After: record}
	sent, own := "<14>"+whenSent, "<14>2026-11-15T10:20:30.456Z"
	for _, c := range []struct {
		name   string
		cfg    devo.Config
		target devo.Target
		want   []string
	}{
		{"events, published", published, eventTarget, []string{sent, own, sent}},
		{"events, sent", devo.Config{URL: "stdout:", EventTime: devo.EventTimeSent}, eventTarget, []string{sent, sent, sent}},
		{"events, by default", devo.Config{URL: "stdout:"}, eventTarget, []string{sent, sent, sent}},
		{"objects without a time", published, target, []string{sent, sent, sent}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, times(printed(t, c.cfg, c.target, batch)))
		})
	}
}

func TestSyslogRecordsBearTheTimeOfTheirEvents(t *testing.T) {
	overBoth(t, readAll, func(t *testing.T, s *server, cfg devo.Config) {
		cfg.EventTime = devo.EventTimePublished
		stream := openStream(t, newSink(t, inProd(cfg)), eventTarget)
		ship(t, stream, devo.Batch{Objects: [][]byte{[]byte(`{"published":"2026-11-15T10:20:30.456Z"}`), []byte(`{"published":0}`)}})
		require.Equal(t, []string{"<14>2026-11-15T10:20:30.456Z", "<14>" + whenSent}, times(s.text()))
	})
}

func TestACutEventBearsItsTime(t *testing.T) {
	cfg := published
	cfg.MaxEvent = 4 << 10
	out := printed(t, cfg, eventTarget, devo.Batch{Objects: [][]byte{
		[]byte(`{"pad":"` + strings.Repeat("x", 8<<10) + `","published":"2026-11-15T10:20:30.456Z"}`),
	}})
	require.Contains(t, out, "@okta_cut")
	require.Equal(t, []string{"<14>2026-11-15T10:20:30.456Z"}, times(out))
}

func TestTheTimeOfEventsNeedsRecordsWithADate(t *testing.T) {
	for _, url := range []string{"https://http-us.devo.io", "http://127.0.0.1:1", "file://" + t.TempDir()} {
		cfg := devo.Config{URL: url, Domain: "acme", Token: secret.Value("t"), EventTime: devo.EventTimePublished}
		_, err := devo.New(cfg)
		scheme, _, _ := strings.Cut(url, ":")
		require.EqualError(t, err, "DEVO_EVENT_TIME cannot be published with "+scheme+"://, whose records have no date beside their JSON; set it to sent")
		cfg.EventTime = devo.EventTimeSent
		_, err = devo.New(cfg)
		require.NoError(t, err)
	}
	_, err := devo.New(devo.Config{URL: "stdout:", EventTime: "received"})
	require.EqualError(t, err, `DEVO_EVENT_TIME is "received", must be sent or published`)
}

func TestTheTimesOfEventsAllocateNothing(t *testing.T) {
	sink := newSink(t, inProd(published))
	devo.SetOutput(sink, io.Discard)
	allocations := func(n int) float64 {
		stream := openStream(t, sink, eventTarget)
		batch := devo.Batch{}
		for range n {
			batch.Objects = append(batch.Objects, []byte(`{"actor":{"id":"a"},"published":"2026-11-15T10:20:30.456Z"}`))
		}
		return testing.AllocsPerRun(10, func() { ship(t, stream, batch) })
	}
	require.Less(t, allocations(1000)-allocations(1), 100.0, "something else may allocate now and then, but nothing for each event")
}

// Whatever an event says of its time, its record has one date, and the event is whole.
func FuzzEventTime(f *testing.F) {
	f.Add(`{"published":"2026-11-15T10:20:30.456Z"}`)
	f.Add(`{"published":"9999-12-31T23:59:59-12:00","a":{}}`)
	f.Add(`{"published":"2026-11-15T10:20:30Z\n<14>","published":[}`)
	f.Fuzz(func(t *testing.T, object string) {
		if len(object) < 2 || object[0] != '{' || object[len(object)-1] != '}' {
			return
		}
		out := printed(t, published, eventTarget, devo.Batch{Objects: [][]byte{[]byte(object)}})
		require.Regexp(t, `^<14>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z host-1 auth\.okta\.system: \{[^\n\r]*\}\n$`, out)
		if _, err := devosim.ParseObject([]byte(object)); err == nil {
			_, err := devosim.ParseRecord([]byte(strings.TrimSuffix(out, "\n")))
			require.NoError(t, err)
		}
	})
}
