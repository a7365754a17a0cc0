package main

import (
	"time"

	"okta-collector/test/distance"
)

// farAway is how far Devo is away for every third seed, as a round trip time.
const farAway = 100 * time.Millisecond

// distanceOf is how far Devo is away for a seed.
func distanceOf(seed uint64) time.Duration {
	if seed%3 == 0 {
		return farAway
	}
	return 0
}

// far returns where the way to one of Devo's addresses begins: at a wire, if Devo is away.
func (s *stage) far(address string) (string, error) {
	if s.distance == 0 {
		return address, nil
	}
	wire, err := distance.Listen(s.distance, address)
	if err != nil {
		return "", err
	}
	s.wires = append(s.wires, wire)
	return wire.Address(), nil
}
