package devosim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAMeterAveragesTheLastTenWholeSeconds(t *testing.T) {
	var m meter
	at := time.Unix(1_795_332_420, 0)
	require.Zero(t, m.perSecond(at))
	for second := range 20 {
		for range second {
			m.add(at.Add(time.Duration(second) * time.Second))
		}
	}
	// The second under way, with its 19, is not over; 9 to 18 are.
	require.Equal(t, 13.5, m.perSecond(at.Add(19*time.Second)))
	require.Zero(t, m.perSecond(at.Add(time.Minute)))
}
