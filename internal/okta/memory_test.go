package okta_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/memory"
	"okta-collector/internal/okta"
)

// transport answers in process.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer is an answer with a body, and without any link.
func answer(status int, body io.Reader) (*http.Response, error) {
	return &http.Response{StatusCode: status, ContentLength: -1, Header: http.Header{
		"X-Rate-Limit-Limit": {"1000000"}, "X-Rate-Limit-Remaining": {"999999"}, "X-Rate-Limit-Reset": {fmt.Sprint(time.Now().Unix() + 60)},
	}, Body: io.NopCloser(body)}, nil
}

// orgWithin makes an org whose pages share a bound.
func orgWithin(t *testing.T, bound *memory.Bound, answers transport) *okta.Org {
	t.Helper()
	cfg := settings()
	cfg.Transport, cfg.Memory = answers, bound
	org, err := okta.New(cfg)
	require.NoError(t, err)
	return org
}

// panics is a body that panics.
type panics struct{}

func (panics) Read([]byte) (int, error) { panic("as nothing should") }

// TestEveryAnswerGivesItsMemoryBack asks more often than there is memory for.
func TestEveryAnswerGivesItsMemoryBack(t *testing.T) {
	list := func(objects int) io.Reader {
		return strings.NewReader("[" + strings.TrimSuffix(strings.Repeat(`{"id":"0oa1"},`, objects), ",") + "]")
	}
	for name, answers := range map[string]transport{
		"a page":                   func(*http.Request) (*http.Response, error) { return answer(200, list(1)) },
		"a page without its links": func(*http.Request) (*http.Response, error) { return answer(200, list(200)) },
		"an error":                 func(*http.Request) (*http.Response, error) { return answer(500, list(0)) },
		"no list":                  func(*http.Request) (*http.Response, error) { return answer(200, strings.NewReader("<html>")) },
		"a cut body":               func(*http.Request) (*http.Response, error) { return answer(200, cut{}) },
		"a body that panics":       func(*http.Request) (*http.Response, error) { return answer(200, panics{}) },
		"no answer":                func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"a page of another collection, and then of one that was deleted": func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/api/v1/apps" {
				return answer(200, list(1))
			}
			return answer(404, strings.NewReader(`{"errorCode":"E0000007"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bound := memory.New(1 << 20)
			org := orgWithin(t, bound, answers)
			for _, name := range []string{"apps", "app_users"} {
				r := org.Reader(service(t, name), okta.Begin{}, time.Now)
				var pos checkpoint.Position
				for range 40 {
					func() {
						defer func() { _ = recover() }()
						page, err := r.Next(t.Context(), pos)
						var e *okta.Error
						require.False(t, errors.As(err, &e) && e.Class == okta.NoMemory)
						if page != nil {
							page.Release()
							pos.Levels, pos.Pull = page.Position.Levels, page.Position.Pull
						}
					}()
				}
				r.Close()
			}
			for range 40 {
				func() {
					defer func() { _ = recover() }()
					_, err := org.Check(t.Context(), "apps")
					var e *okta.Error
					require.False(t, errors.As(err, &e) && e.Class == okta.NoMemory)
				}()
			}
			buffer, err := bound.Join().Acquire(t.Context(), 512<<10)
			require.NoError(t, err)
			buffer.Release()
		})
	}
}

// full is a bound that others use up, until they release it.
func full(t *testing.T) (bound *memory.Bound, release func()) {
	bound = memory.New(1 << 20)
	var held []*memory.Buffer
	for range 2 {
		buffer, err := bound.Join().Acquire(t.Context(), 512<<10)
		require.NoError(t, err)
		held = append(held, buffer)
	}
	return bound, func() {
		for _, buffer := range held {
			buffer.Release()
		}
	}
}

func TestAPageIsAskedForWhenThereIsMemoryForIt(t *testing.T) {
	bound, release := full(t)
	var asked time.Time
	org := orgWithin(t, bound, func(*http.Request) (*http.Response, error) {
		asked = time.Now()
		return answer(200, strings.NewReader("[]"))
	})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		time.AfterFunc(30*time.Second, release)
		_, err := org.Reader(service(t, "apps"), okta.Begin{}, time.Now).Next(t.Context(), checkpoint.Position{})
		require.NoError(t, err)
		require.Equal(t, 30*time.Second, asked.Sub(began))
	})
}

func TestThereIsAnEndToTheWaitForMemory(t *testing.T) {
	bound, _ := full(t)
	org := orgWithin(t, bound, func(*http.Request) (*http.Response, error) {
		t.Error("Okta was asked")
		return answer(200, strings.NewReader("[]"))
	})
	synctest.Test(t, func(t *testing.T) {
		r := org.Reader(service(t, "apps"), okta.Begin{}, time.Now)
		require.Equal(t, okta.NoMemory, refused(t, r, checkpoint.Position{}).Class)

		ctx, stop := cancellable(t)
		time.AfterFunc(time.Second, func() { stop(errStop) })
		_, err := r.Next(ctx, checkpoint.Position{})
		require.ErrorIs(t, err, errStop)
	})
}

// TestAPageThatGrowsAndGetsNoMemory is no fault of Okta's.
func TestAPageThatGrowsAndGetsNoMemoryIsAskedForAgainAsItWas(t *testing.T) {
	bound := memory.New(1 << 20)
	org := orgWithin(t, bound, func(*http.Request) (*http.Response, error) {
		return answer(200, strings.NewReader("["+strings.Repeat(`{"id":"0oa1"},`, 100_000)+`{"id":"0oa2"}]`))
	})
	other, err := bound.Join().Acquire(t.Context(), 1) // it grows before, so that the page has to wait
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		go other.ReadFrom(t.Context(), stalled{strings.NewReader(strings.Repeat(" ", 2<<20)), end}, -1, 4<<20)
		synctest.Wait()
		r := org.Reader(service(t, "apps"), okta.Begin{}, time.Now)
		e := refused(t, r, checkpoint.Position{})
		require.Equal(t, okta.NoMemory, e.Class)
		close(end)
	})
}

// stalled is a body whose end does not come.
type stalled struct {
	body io.Reader
	end  <-chan struct{}
}

func (s stalled) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	if err == io.EOF {
		<-s.end
	}
	return n, err
}
