package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"okta-collector/test/loopback"
)

// road is the way from one worker to Okta or Devo: a proxy on a loopback port.
type road struct {
	server   *toxiproxy.ApiServer
	name     string
	address  string // where it begins
	upstream string // where it leads
	sky      *sky

	mu     sync.Mutex
	proxy  *toxiproxy.Proxy
	closed int
	cuts   map[int]limit
	next   int
}

// limit is how far connections get.
type limit struct {
	bytes int64
	// reset ends them with a RST, else with a FIN.
	reset bool
}

// newRoad opens a road to an address.
func newRoad(name, upstream string) (*road, error) {
	log := zerolog.Nop()
	address, err := loopback.FreeAddress()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r := &road{
		server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), log), name: name,
		address: address, upstream: upstream, sky: newSky(), cuts: map[int]limit{},
	}
	return r, r.rebuild()
}

// over is the URL of the road's beginning.
func (r *road) over(scheme string) string { return scheme + "://" + r.address }

// cut ends all connections now, and those that follow after so many bytes, until mend is called.
func (r *road) cut(bytes int64, reset bool) (mend func() error, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.next
	r.next++
	r.cuts[n] = limit{bytes, reset}
	return func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.cuts, n)
		return r.rebuild()
	}, r.rebuild()
}

// close ends all connections now, and refuses others until open is called.
func (r *road) close() (open func() error, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed++
	return func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.closed--
		return r.rebuild()
	}, r.rebuild()
}

// rebuild puts another proxy in the place of the present one, whose connections end. It only ever gives a
// proxy its toxics before it starts: see exposed. The caller holds the mutex.
func (r *road) rebuild() error {
	if r.proxy != nil {
		r.proxy.Stop()
		r.proxy = nil
	}
	if r.closed > 0 {
		return nil
	}
	proxy := toxiproxy.NewProxy(r.server, r.name, r.address, r.upstream)
	toxics := []string{
		`{"name":"up","type":"` + exposedType + `","stream":"upstream","attributes":{}}`,
		`{"name":"down","type":"` + exposedType + `","stream":"downstream","attributes":{}}`,
	}
	var shortest *limit
	for _, l := range r.cuts {
		if shortest == nil || l.bytes < shortest.bytes {
			shortest = &l
		}
	}
	if shortest != nil {
		for _, stream := range []string{"upstream", "downstream"} {
			toxics = append(toxics, fmt.Sprintf(`{"name":"limit %s","type":"limit_data","stream":%q,"attributes":{"bytes":%d}}`, stream, stream, shortest.bytes))
		}
		if shortest.reset {
			// With no toxicity it lets everything pass, but a connection that begins with it ends with a RST.
			toxics = append(toxics, `{"name":"reset","type":"reset_peer","stream":"upstream","toxicity":0,"attributes":{"timeout":0}}`)
		}
	}
	for _, toxic := range toxics {
		added, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic))
		if err != nil {
			return fmt.Errorf("%s: adding a toxic: %w", r.name, err)
		}
		if e, ok := added.Toxic.(*exposed); ok {
			e.sky, e.direction = r.sky, map[string]direction{"up": up, "down": down}[added.Name]
		}
	}
	if err := proxy.Start(); err != nil {
		return fmt.Errorf("%s: listening on %s: %w", r.name, r.address, err)
	}
	r.proxy = proxy
	return nil
}
