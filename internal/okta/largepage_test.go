package okta_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

// repeated is a text that is repeated up to a size.
func repeated(text string, size int) io.Reader {
	block := []byte(strings.Repeat(text, 1<<20/len(text)))
	var all []io.Reader
	for ; size > 0; size -= len(block) {
		all = append(all, bytes.NewReader(block[:min(size, len(block))]))
	}
	return io.MultiReader(all...)
}

// TestAPageOf60MiBTakesLittleMoreThanItself has one page of the largest size in every shape that once was copied.
func TestAPageOf60MiBTakesLittleMoreThanItself(t *testing.T) {
	const size = 60 << 20
	for name, body := range map[string]func() io.Reader{
		"one object": func() io.Reader {
			return io.MultiReader(strings.NewReader(`[{"id":"0oa1","pad":"`), repeated("x", size), strings.NewReader(`"}]`))
		},
		"one object with white space": func() io.Reader {
			return io.MultiReader(strings.NewReader("[{\n \"id\" : \"0oa1\", \"pad\": \""), repeated("x", size), strings.NewReader(`" } ]`))
		},
		"one object of white space": func() io.Reader {
			return io.MultiReader(strings.NewReader(`[{"id":"0oa1"`), repeated(" ", size), strings.NewReader(`}]`))
		},
		"one object that is not UTF-8": func() io.Reader {
			return io.MultiReader(strings.NewReader(`[{"id":"0oa1","pad":"`), repeated("\xff", size), strings.NewReader(`"}]`))
		},
		"many objects that are not UTF-8": func() io.Reader {
			return io.MultiReader(strings.NewReader(`[{}`), repeated(`,{"pad":"`+strings.Repeat("\xff", 2038)+`"}`, size), strings.NewReader(`]`))
		},
		"many elements that are no objects": func() io.Reader {
			return io.MultiReader(strings.NewReader(`[{}`), repeated(`,"`+strings.Repeat("\\u0001", 341-1)+`1234567"`, size), strings.NewReader(`]`))
		},
		"a text that is no JSON": func() io.Reader { return repeated("garbage ", size) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings()
			cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
				a, err := answer(200, body())
				a.Header.Set("Link", "<"+r.URL.String()+`>; rel="self"`)
				return a, err
			})
			org, err := okta.New(cfg)
			require.NoError(t, err)
			require.Less(t, allocated(func() {
				page, err := org.Reader(service(t, "zones"), okta.Begin{}, time.Now).Next(t.Context(), checkpoint.Position{Limit: 1})
				if err == nil {
					require.NotEmpty(t, page.Objects)
					page.Release()
				}
			}), 150<<20, "64 MiB are the page, 24 MiB the smaller buffers before it, and the rest its objects and their marks")
		})
	}
}

// allocated is how many bytes of heap f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// TestAGzipBombTakesNoMoreThanAPage: Go's transport unpacks while the page is read.
func TestAGzipBombTakesNoMoreThanAPage(t *testing.T) {
	var part bytes.Buffer
	packed := gzip.NewWriter(&part)
	_, err := io.Copy(packed, repeated(" ", 16<<20))
	require.NoError(t, err)
	require.NoError(t, packed.Close())
	bomb := bytes.Repeat(part.Bytes(), 2<<30/(16<<20))
	for name, body := range map[string][]byte{
		"2 GiB":              bomb,
		"one that is cut":    bomb[:len(bomb)/128],
		"garbage in the end": append(part.Bytes()[:part.Len()/2:part.Len()/2], bytes.Repeat([]byte{0xa5}, 1<<20)...),
		"garbage":            bytes.Repeat([]byte{0x1f, 0x8b}, 1<<20),
	} {
		for _, status := range []int{200, 503} {
			t.Run(name, func(t *testing.T) {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Encoding", "gzip")
					w.WriteHeader(status)
					_, _ = w.Write(body)
				}))
				defer server.Close()
				cfg := settings()
				cfg.URL = server.URL
				org, err := okta.New(cfg)
				require.NoError(t, err)
				require.Less(t, allocated(func() {
					page, _ := org.Reader(service(t, "zones"), okta.Begin{}, time.Now).Next(t.Context(), checkpoint.Position{})
					if page != nil {
						page.Release()
					}
				}), 100<<20)
			})
		}
	}
}
