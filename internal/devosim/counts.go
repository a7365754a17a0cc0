package devosim

import (
	"iter"
	"sync"
	"time"
)

// TagStats count what arrived under one tag.
type TagStats struct {
	// Records counts every record; Bytes their JSON, framing not.
	Records int64 `json:"records"`
	Bytes   int64 `json:"bytes"`
	// Distinct counts events, and of everything else the pairs of object and pull: what
	// had to be delivered. Repeated are the records beyond that.
	Distinct int64 `json:"distinct"`
	Repeated int64 `json:"repeated"`
	// RepeatedBytes are the bytes of the repeated records' JSON.
	RepeatedBytes int64 `json:"repeatedBytes"`
	// Objects counts distinct objects, in however many pulls they came.
	Objects int64 `json:"objects"`
	// Pulls counts distinct @devo_pulling_id.
	Pulls int64 `json:"pulls"`
	// PerSecond is the number of records in each of the last ten whole seconds, on average.
	PerSecond float64 `json:"perSecond"`
}

// Delivery says how often one object arrived.
type Delivery struct {
	Identity Identity
	// Pull is @devo_pulling_id; 0 for events, which are to come once whatever the pull.
	Pull  int64
	Count int
	// Sum is the checksum of what Okta sent, see [Sum]; 0 if the deliveries differed.
	Sum uint64
}

// counts keep what arrived. They are safe for concurrent use.
type counts struct {
	mu   sync.Mutex
	tags map[string]*tagCounts
}

type tagCounts struct {
	records, bytes int64
	repeated       int64 // bytes
	meter          meter
	// deliveries take 32 bytes each, up to twice that with the free places of the map.
	deliveries map[deliveryKey]delivery
	// objects has those that come again in every pull; events are counted in deliveries alone.
	objects map[Identity]struct{}
	events  int64
	// pulls has each @devo_pulling_id, and pullIndex where.
	pulls     []int64
	pullIndex map[int64]uint32
}

type deliveryKey struct {
	identity Identity
	pull     uint32 // an index of pulls; for events that of no pull
}

type delivery struct {
	count uint32
	sum   [2]uint32 // the halves of a Sum, so that no padding is needed
}

// noPull is the @devo_pulling_id of objects that have none, the first of every tag's pulls.
const noPull = 0

func newTagCounts() *tagCounts {
	return &tagCounts{
		deliveries: map[deliveryKey]delivery{},
		objects:    map[Identity]struct{}{},
		pulls:      []int64{noPull},
		pullIndex:  map[int64]uint32{noPull: 0},
	}
}

// add counts records that arrived at now, all of them at once.
func (c *counts) add(now time.Time, records ...Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range records {
		t := c.tags[r.Tag]
		if t == nil {
			t = newTagCounts()
			c.tags[r.Tag] = t
		}
		t.add(now, r.Object)
	}
}

func (t *tagCounts) add(now time.Time, o Object) {
	t.records++
	t.bytes += int64(len(o.JSON))
	t.meter.add(now)

	pull, ok := t.pullIndex[o.Pull]
	if !ok {
		pull = uint32(len(t.pulls))
		t.pulls = append(t.pulls, o.Pull)
		t.pullIndex[o.Pull] = pull
	}
	key := deliveryKey{identity: o.Identity, pull: pull}
	if o.Event {
		key.pull = noPull
	}
	sum := [2]uint32{uint32(o.Sum >> 32), uint32(o.Sum)}
	d := t.deliveries[key]
	if d.count == 0 {
		d.sum = sum
		if o.Event {
			t.events++
		} else {
			t.objects[o.Identity] = struct{}{}
		}
	} else {
		t.repeated += int64(len(o.JSON))
		if d.sum != sum {
			d.sum = [2]uint32{}
		}
	}
	d.count++
	t.deliveries[key] = d
}

func (c *counts) stats(now time.Time) map[string]TagStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := make(map[string]TagStats, len(c.tags))
	for tag, t := range c.tags {
		distinct := int64(len(t.deliveries))
		stats[tag] = TagStats{
			Records:       t.records,
			Bytes:         t.bytes,
			Distinct:      distinct,
			Repeated:      t.records - distinct,
			RepeatedBytes: t.repeated,
			Objects:       t.events + int64(len(t.objects)),
			Pulls:         int64(len(t.pulls) - 1),
			PerSecond:     t.meter.perSecond(now),
		}
	}
	return stats
}

// delivered yields the deliveries under a tag, in no order.
func (c *counts) delivered(tag string) iter.Seq[Delivery] {
	return func(yield func(Delivery) bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		t := c.tags[tag]
		if t == nil {
			return
		}
		for key, d := range t.deliveries {
			if !yield(Delivery{
				Identity: key.identity,
				Pull:     t.pulls[key.pull],
				Count:    int(d.count),
				Sum:      uint64(d.sum[0])<<32 | uint64(d.sum[1]),
			}) {
				return
			}
		}
	}
}

// records is how many records arrived under a tag.
func (c *counts) records(tag string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.tags[tag]; t != nil {
		return t.records
	}
	return 0
}
