package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

var verdicts = map[string]struct {
	row  row
	says string
}{
	"a ratio that is high enough":       {row{value: 0.9, target: 0.9}, "met"},
	"a ratio that is too low":           {row{value: 0.81, target: 0.9}, "missed by 10.0 %"},
	"a time that is short enough":       {row{value: 7, target: 7, most: true}, "met"},
	"a time that is too long":           {row{value: 7.7, target: 7, most: true}, "missed by 10.0 %"},
	"a figure that nothing is asked of": {row{value: 7}, "no target"},
	"a figure that there is not":        {row{target: 7, most: true, failed: errors.New("no such benchmark")}, "failed"},
}

func TestARowSaysWhetherItsTargetIsMet(t *testing.T) {
	for name, c := range verdicts {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.says, c.row.verdict()) })
	}
}

// rowsWith has a row for each part of a target that is missed.
func rowsWith(missedBy ...float64) (rows []row) {
	for _, by := range missedBy {
		rows = append(rows, row{value: 100 + 100*by, target: 100, most: true})
	}
	return rows
}

func TestTwoTargetsMayBeMissedALittle(t *testing.T) {
	require.NoError(t, judge(rowsWith(0, 0, 0, -0.5)))
	require.NoError(t, judge(rowsWith(0.15, 0, 0.01, 0)))
	require.ErrorContains(t, judge(rowsWith(0.01, 0.01, 0.01)), "3 targets are missed")
}

func TestNoTargetMayBeMissedByMuch(t *testing.T) {
	require.ErrorContains(t, judge(rowsWith(0.16)), "missed by 16.0 %")
	require.ErrorContains(t, judge([]row{{value: 0.8, target: 1}}), "missed by 20.0 %")
}

func TestAStrictTargetMayNotBeMissedAtAll(t *testing.T) {
	rows := rowsWith(0.01)
	rows[0].strict = true
	require.ErrorContains(t, judge(rows), "must not be missed")
}

func TestAFigureThatCannotBeMeasuredIsAnError(t *testing.T) {
	gone := errors.New("no such benchmark")
	require.ErrorIs(t, judge([]row{{failed: gone}}), gone)
}

func TestTheRowsAreAMarkdownTable(t *testing.T) {
	rows := []row{
		{part: "tls-100", what: "speed", value: 5123.7, unit: perSecond, target: 5000},
		{part: "large-files", what: "peak memory", value: 70.25, unit: megabyte, target: 64, most: true},
		{part: "allocations", what: "for a page", unit: allocation, target: 20, most: true, failed: errors.New("none")},
	}
	require.Equal(t, `| part | what | value | target | verdict |
| --- | --- | ---:| ---:| ---:|
| tls-100 | speed | 5,123 events/s | at least 5,000 events/s | met |
| large-files | peak memory | 70.2 MB | at most 64.0 MB | missed by 9.8 % |
| allocations | for a page |  | at most 20 allocations | failed |`, renderRows(rows))
}
