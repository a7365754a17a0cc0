package checkpoint_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// inAPull is a checkpoint with every field set that has rules.
func inAPull() checkpoint.Checkpoint {
	return checkpoint.Checkpoint{
		Position: checkpoint.Position{
			Pull:   &checkpoint.Pull{ID: 7, Kind: checkpoint.PullFull, Began: noon},
			Levels: []checkpoint.Level{{Cursor: "/a?after=1", ID: "a1"}, {ID: "b1"}},
			Cursor: "/c?after=2", Part: checkpoint.Part{Objects: 3, IDs: 9}, Guard: checkpoint.Guard{Power: 2},
			Limit: 100, LastPullID: 7, ChangedSince: noon, LastFull: noon, Newest: noon, Covered: noon, Span: time.Hour, IdlePolls: 2,
		},
		Totals:  checkpoint.Totals{Pages: 4, Events: 800, Bytes: 9000, Pulls: 1},
		Windows: []checkpoint.Window{{Name: "/c", Limit: 600, Used: 3}},
	}
}

func TestBetweenPullsOnlyWhatOutlivesAPullIsLeft(t *testing.T) {
	p := inAPull().Position.BetweenPulls()
	require.Equal(t, checkpoint.Position{
		Limit: 100, LastPullID: 7, ChangedSince: noon, LastFull: noon, Newest: noon, Covered: noon, Span: time.Hour, IdlePolls: 2,
	}, p)
}

func TestALevelThatMovesBeginsTheListingsBelowItAnewInTheSamePull(t *testing.T) {
	before := inAPull().Position
	at := checkpoint.Level{Cursor: "/a?after=1", ID: "a2"}
	p := before.Under(0, at)
	require.Equal(t, []checkpoint.Level{at}, p.Levels)
	require.Empty(t, p.Cursor)
	require.Zero(t, p.Part)
	require.Zero(t, p.Guard)
	require.Equal(t, before.Pull, p.Pull)
	require.Equal(t, inAPull().Position, before, "a position is a value")
}

func TestWhatMovedAndWhatWasDelivered(t *testing.T) {
	for name, test := range map[string]struct {
		change           func(*checkpoint.Checkpoint)
		moved, delivered bool
	}{
		"nothing":                  {change: func(*checkpoint.Checkpoint) {}},
		"a window":                 {change: func(c *checkpoint.Checkpoint) { c.Windows = nil }},
		"a pull began":             {change: func(c *checkpoint.Checkpoint) { c.Position.Pull = &checkpoint.Pull{ID: 8} }},
		"objects were delivered":   {func(c *checkpoint.Checkpoint) { c.Totals.Events++ }, true, true},
		"a pull is complete":       {func(c *checkpoint.Checkpoint) { c.Totals.Pulls++ }, true, true},
		"an empty page was passed": {func(c *checkpoint.Checkpoint) { c.Position.Cursor = "/c?after=3" }, true, true},
		"the next object of a level": {func(c *checkpoint.Checkpoint) {
			c.Position.Levels = []checkpoint.Level{{Cursor: "/a?after=1", ID: "a1"}, {ID: "b2"}}
		}, true, true},
		"a smaller page":              {func(c *checkpoint.Checkpoint) { c.Position.Limit = 50 }, true, false},
		"a shorter range":             {func(c *checkpoint.Checkpoint) { c.Position.Span = time.Minute }, true, false},
		"a part of a range was empty": {func(c *checkpoint.Checkpoint) { c.Position.Covered = noon.Add(time.Hour) }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := inAPull(), inAPull()
			test.change(&after)
			require.Equal(t, test.moved, after.Moved(before))
			require.Equal(t, test.delivered, after.Delivered(before))
		})
	}
}

func TestEachOddityHasItsNameInJSON(t *testing.T) {
	var one checkpoint.Oddities
	fields := reflect.ValueOf(&one).Elem()
	for i := range fields.NumField() {
		fields.Field(i).SetInt(int64(i + 1))
	}
	data, err := json.Marshal(one)
	require.NoError(t, err)
	var named map[string]int64
	require.NoError(t, json.Unmarshal(data, &named))
	require.Equal(t, named, maps.Collect(one.All()))

	sum := one
	sum.Add(one)
	for name, n := range sum.All() {
		require.Equal(t, 2*named[name], n, name)
	}
}

func TestACheckpointThatHasCollectedNothing(t *testing.T) {
	require.True(t, checkpoint.Checkpoint{}.IsZero())
	require.False(t, inAPull().IsZero())

	waited := checkpoint.Checkpoint{Windows: []checkpoint.Window{{Name: "/api/v1/logs"}}} // for a permission
	require.False(t, waited.IsZero())
	require.False(t, waited.HasCollected())
	for _, c := range []checkpoint.Checkpoint{
		{Totals: checkpoint.Totals{Pulls: 1}}, {Position: checkpoint.Position{Cursor: "/c"}}, {Position: checkpoint.Position{Levels: []checkpoint.Level{{ID: "a"}}}},
	} {
		require.True(t, c.HasCollected())
	}
}

func TestABackfillHasReachedTheLaterOfWhatItCoveredAndItsNewestEvent(t *testing.T) {
	since := noon.Add(-time.Hour)
	for _, test := range []struct {
		position checkpoint.Position
		want     time.Time
	}{
		{checkpoint.Position{}, since},
		{checkpoint.Position{Newest: noon}, noon},
		{checkpoint.Position{Covered: noon, Newest: noon.Add(-time.Minute)}, noon},
		{checkpoint.Position{Newest: since.Add(-time.Hour)}, since},
	} {
		require.Equal(t, test.want, test.position.Reached(since))
	}
}
