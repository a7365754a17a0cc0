package main

import (
	"context"
	"slices"

	"github.com/dustin/go-humanize"

	"okta-collector/workflows"
)

// tenantOverHTTP is a second tenant, of the same org. It ships over HTTP.
const tenantOverHTTP = "overhttp"

// Devo's HTTP endpoint accepts this domain and this token only.
const domain, devoToken = "chaos", "token-of-the-simulated-devo"

// overHTTP are the services of tenantOverHTTP. No service is collected by both tenants: both ask the org over the same
// roads, and readTwice knows from the service alone which workflow a request belongs to.
var overHTTP = []string{"zones", "idps"}

// workflowID returns the id of the workflow that collects a service.
func workflowID(service string) string {
	if slices.Contains(overHTTP, service) {
		return workflows.WorkflowID(tenantOverHTTP, service)
	}
	return workflows.WorkflowID(tenant, service)
}

// smallestBody and largestBody bound the limit on bodies, in compressed bytes. Each full page of a service over HTTP
// has more, and each single object has less. A smaller limit would block the service: the collector cuts an object
// that is refused only if it has 8 KiB or more, and none here has.
const smallestBody, largestBody = 1280, 4 << 10

// bodyAt returns how many bytes a body may have.
func bodyAt(amount float64) int64 { return smallestBody + int64(amount*(largestBody-smallestBody)) }

func bodyOf(amount float64) string { return "of at most " + humanize.IBytes(uint64(bodyAt(amount))) }

// takesSmallBodies has Devo answer 413 to larger bodies.
func takesSmallBodies(ctx context.Context, s *stage, f fault) error {
	s.devo.SetMaxBody(bodyAt(f.amount))
	<-ctx.Done()
	s.devo.SetMaxBody(0)
	return nil
}
