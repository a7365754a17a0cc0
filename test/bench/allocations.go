package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// pageBenchmark handles a page of 1,000 events in each of its operations.
const pageBenchmark = "BenchmarkAPageFromBytesReceivedToBytesWritten"

// allocations asks the product's own benchmark how often a page allocates.
func (b *bench) allocations(ctx context.Context) error {
	test := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+pageBenchmark+"$", "-benchmem", "./activities")
	test.Dir = b.root
	out, err := test.CombinedOutput()
	r := row{what: "for a page of 1,000 events, from bytes received to bytes written", unit: allocation, target: 20, most: true}
	if err != nil {
		r.failed = fmt.Errorf("%w\n%s", err, out)
	} else {
		r.value, r.failed = allocationsIn(string(out))
	}
	b.add(r)
	return nil
}

var allocationsPerOp = regexp.MustCompile(`(?m)^` + pageBenchmark + `\S*\s.*\s(\d+) allocs/op`)

// allocationsIn are the most that a benchmark printed.
func allocationsIn(output string) (most float64, err error) {
	found := allocationsPerOp.FindAllStringSubmatch(output, -1)
	if found == nil {
		return 0, errors.New("there is no " + pageBenchmark + " in ./activities")
	}
	for _, line := range found {
		n, err := strconv.ParseFloat(line[1], 64)
		if err != nil {
			return 0, err
		}
		most = max(most, n)
	}
	return most, nil
}
