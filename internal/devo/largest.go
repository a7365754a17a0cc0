package devo

import (
	"cmp"
	"fmt"
	"time"
)

// CheckTable is the Devo table of records that only show whether they arrive.
const CheckTable = "my.app.okta.check"

// LargestEvent returns a batch of one event that is shipped with exactly DEVO_MAX_EVENT bytes. A receiver that truncates
// records shows by it where: the text of its pad says at each place how many bytes come before.
func LargestEvent(cfg Config, at time.Time) Batch {
	batch := Batch{Members: []byte(`"@okta_check_end":true`)}
	added, _ := (&framer{cfg: cfg}).members(batch.Members) // cannot fail for these members
	size := cmp.Or(cfg.MaxEvent, defaultMaxEvent)
	event := fmt.Appendf(nil, `{"@okta_check":%q,"@okta_size":%d,"pad":"`, at.UTC().Format(time.RFC3339Nano), size)
	const end = `"}`
	for room := size - len(end) - len(",") - len(added); len(event) < room; {
		place := fmt.Appendf(nil, "%015d.", len(event))
		event = append(event, place[:min(len(place), room-len(event))]...)
	}
	batch.Objects = [][]byte{append(event, end...)}
	return batch
}
