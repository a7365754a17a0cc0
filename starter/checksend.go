package starter

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/config"
	"okta-collector/internal/devo"
	"okta-collector/workflows"
)

// sendLargest sends one record of DEVO_MAX_EVENT to [devo.CheckTable], and returns what to look for in Devo.
func sendLargest(ctx context.Context, sink devo.Sink, t config.Tenant) (note string, err error) {
	now := time.Now()
	stream, err := sink.Open(ctx, devo.Target{Name: workflows.WorkflowID(t.Name, "check"), Tag: devo.CheckTable})
	if err != nil {
		return "", err
	}
	defer stream.Close()
	delivery, err := stream.Send(ctx, devo.LargestEvent(t.Devo, now))
	if err != nil {
		return "", err
	}
	stats, err := delivery.Wait(ctx)
	if err != nil {
		return "", err
	}
	size := humanize.Comma(stats.Bytes)
	note = fmt.Sprintf("sent one record to %s, with %s bytes of JSON, at %s. Look there for its \"@okta_check\", that time: the message must have %s "+
		"bytes, with \"@okta_check_end\":true at the end. If it is shorter, or not there, something truncates records: raise its limit "+
		"(rsyslog: maxMessageSize), or set DEVO_MAX_EVENT to less than what arrived",
		devo.CheckTable, size, now.UTC().Format(time.RFC3339Nano), size)
	for _, w := range stream.Warnings() {
		note += ". Also, " + w.Message
	}
	return note, nil
}
