package devo_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

// limited posts, but refuses bodies above a size as a proxy does: before it has read them, and in HTML.
type limited struct {
	posts
	most    int64 // in bytes, as they are sent
	refused int
}

func (l *limited) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > l.most {
		l.mu.Lock()
		l.refused++
		l.mu.Unlock()
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, "<html><h1>413 Request Entity Too Large</h1></html>")
		return
	}
	l.posts.ServeHTTP(w, r)
}

// numbersIn are the numbers of the objects in bodies, in the order of their arrival.
func numbersIn(bodies []string) (numbers []int) {
	for line := range strings.Lines(strings.Join(bodies, "")) {
		_, rest, _ := strings.Cut(line, `"n":`)
		n, _ := strconv.Atoi(rest[:strings.IndexAny(rest, ",}")])
		numbers = append(numbers, n)
	}
	return numbers
}

func upTo(n int) (numbers []int) {
	for i := range n {
		numbers = append(numbers, i)
	}
	return numbers
}

// unlike makes a batch of n objects that compress badly, as most of an event does not.
func unlike(n, size int) devo.Batch {
	var b devo.Batch
	state := uint64(88172645463325252)
	for i := range n {
		var pad strings.Builder
		for pad.Len() < size {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			pad.WriteString(strconv.FormatUint(state, 36))
		}
		b.Objects = append(b.Objects, fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, i, pad.String()))
	}
	return b
}

func TestABatchThatIsTooLargeForTheServerGoesInParts(t *testing.T) {
	l := limited{most: 20_000}
	sink := newSink(t, httpConfig(httpServer(t, &l)))
	stream := openStream(t, sink, target)
	batch := unlike(250, 2000)
	stats, err := deliver(t.Context(), stream, batch)
	require.NoError(t, err)
	require.Equal(t, upTo(250), numbersIn(l.bodies), "each once, in order")
	var size int
	for _, object := range batch.Objects {
		size += len(object)
	}
	require.Equal(t, devo.Stats{Bytes: int64(size)}, stats)

	warnings := stream.Warnings()
	require.Len(t, warnings, 1)
	require.Equal(t, devo.WarnSmallerBatches, warnings[0].Kind)
	require.Contains(t, warnings[0].Message, "413")

	l.bodies, l.refused = nil, 0
	ship(t, openStream(t, sink, target), batch)
	require.Equal(t, upTo(250), numbersIn(l.bodies))
	require.LessOrEqual(t, l.refused, 1, "the size is remembered, for the streams that follow too; growing back may cost one")
}

func TestASingleEventThatIsTooLargeForTheServerIsShippedCutAndStopsNoOthers(t *testing.T) {
	l := limited{most: 20_000}
	stream := openStream(t, newSink(t, httpConfig(httpServer(t, &l))), target)
	batch := unlike(5, 1000)
	batch.Members = []byte(`"@devo_pulling_id":7`)
	batch.Objects[2] = []byte(strings.Replace(string(unlike(1, 100_000).Objects[0]), `"n":0`, `"uuid":"large","n":2`, 1))
	stats, err := deliver(t.Context(), stream, batch)
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Cut)
	lines := strings.SplitAfter(strings.TrimSuffix(strings.Join(l.bodies, ""), "\n"), "\n")
	require.Len(t, lines, 5)
	require.Contains(t, lines[2], `{"uuid":"large","@devo_pulling_id":7,"@okta_cut":"`)
	require.Contains(t, lines[2], fmt.Sprintf(`"@okta_size":%d}`, len(batch.Objects[2])))

	var kinds []string
	for _, w := range stream.Warnings() {
		kinds = append(kinds, w.Kind)
	}
	require.ElementsMatch(t, []string{devo.WarnSmallerBatches, devo.WarnCut}, kinds)
}

func TestAServerThatRefusesEvenASmallEventIsForAPerson(t *testing.T) {
	l := limited{most: 1}
	stream := openStream(t, newSink(t, httpConfig(httpServer(t, &l))), target)
	_, err := deliver(t.Context(), stream, unlike(8, 10_000))
	require.ErrorIs(t, err, devo.ErrRefused)
	require.ErrorContains(t, err, "413")
	require.Contains(t, devo.Remedy(err), "DEVO_MAX_EVENT")
	require.Empty(t, l.bodies)
}

func TestABatchOfWhichAPartFailsIsNotConfirmed(t *testing.T) {
	l := limited{most: 20_000}
	posted := 0
	stream := openStream(t, newSink(t, httpConfig(httpServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength <= l.most {
			if posted++; posted == 2 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
		}
		l.ServeHTTP(w, r)
	})))), target)
	_, err := deliver(t.Context(), stream, unlike(20, 2000))
	require.ErrorContains(t, err, "503")
	require.NotErrorIs(t, err, devo.ErrUnsent, "a part of it has arrived")
	require.NotErrorIs(t, err, devo.ErrRefused)
}

// A server that hangs up, or answers 400, while it is still being sent a body, may mean its size.
func TestABodyThatIsNotTakenToItsEndGoesInParts(t *testing.T) {
	for name, answer := range map[string]string{
		"400":       "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		"413":       "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		"no answer": "",
	} {
		t.Run(name, func(t *testing.T) {
			const most = 1 << 20
			var p posts
			behind := httpServer(t, &p)
			front := serve(t, nil, func(_ *server, c net.Conn, _ int) {
				reader := bufio.NewReader(c)
				for {
					request, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					if request.ContentLength > most {
						_, _ = io.WriteString(c, answer)
						_ = c.Close() // with what was not read
						return
					}
					request.URL.Scheme, request.URL.Host, request.RequestURI = "http", strings.TrimPrefix(behind, "http://"), ""
					response, err := http.DefaultTransport.RoundTrip(request)
					if err != nil {
						return
					}
					_ = response.Write(c)
				}
			})
			ship(t, openStream(t, newSink(t, httpConfig(front.url("http"))), target), unlike(4, 1_000_000))
			require.Equal(t, upTo(4), numbersIn(p.bodies))
		})
	}
}
