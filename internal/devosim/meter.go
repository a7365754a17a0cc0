package devosim

import "time"

// meterSpan is how many whole seconds a meter looks back.
const meterSpan = 10

// meter counts in seconds of the clock, and remembers the last ones.
type meter struct {
	slots [meterSpan + 1]struct{ second, count int64 } // the one under way too
}

func (m *meter) add(now time.Time) {
	second := now.Unix()
	slot := &m.slots[second%int64(len(m.slots))]
	if slot.second != second {
		slot.second, slot.count = second, 0
	}
	slot.count++
}

// perSecond is the mean of the whole seconds before now.
func (m *meter) perSecond(now time.Time) float64 {
	var total int64
	for _, slot := range m.slots {
		if age := now.Unix() - slot.second; 1 <= age && age <= meterSpan {
			total += slot.count
		}
	}
	return float64(total) / meterSpan
}
