package activities_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"okta-collector/activities"
	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/workflows"
)

// lines are the records of batches by their tables, and the number of objects between them.
func lines(batches []devo.Batch) (all []string) {
	for _, b := range batches {
		for _, r := range b.Before {
			all = append(all, r.Tag+" "+string(r.JSON))
		}
		if len(b.Objects) > 0 {
			all = append(all, fmt.Sprint(len(b.Objects), " objects"))
		}
		for _, r := range b.After {
			all = append(all, r.Tag+" "+string(r.JSON))
		}
	}
	return all
}

func TestAFullPullIsShippedBetweenItsRecords(t *testing.T) {
	b := newBench(t, 2)
	b.objects = 3
	result, err := b.run()
	require.NoError(t, err)
	id := result.Checkpoint.Position.LastPullID
	require.Equal(t, []string{
		fmt.Sprintf(`my.app.okta.pulls {"@okta_pull":"begin","@okta_table":"auth.okta.users","service":"users","@devo_pulling_id":%d}`, id),
		"3 objects", "3 objects",
		fmt.Sprintf(`my.app.okta.pulls {"@okta_pull":"end","@okta_table":"auth.okta.users","service":"users","@devo_pulling_id":%d,"objects":6,"complete":true}`, id),
	}, lines(b.confirmed))
	require.EqualValues(t, 6, result.Checkpoint.Totals.Events, "records are no objects")
}

func TestAPullThatFitsInOneBatchIsOneDeliveryAndOneHeartbeat(t *testing.T) {
	b := newBench(t, 1)
	_, err := b.run()
	require.NoError(t, err)
	require.Len(t, b.confirmed, 1)
	require.Equal(t, []string{"save 0", "open", "ship 1 from 00u0-0", "close"}, b.diary)
}

func TestABatchThatIsNotConfirmedIsShippedAgainWithItsRecords(t *testing.T) {
	inSendAndInWait(t, func(t *testing.T, atWait bool) {
		for fails := 1; fails <= 3; fails++ {
			b := newBench(t, 3)
			b.atWait = atWait
			b.ship = func(n int) error {
				if n == fails {
					return errors.New("the server answers 503")
				}
				return nil
			}
			_, err := b.run()
			_, at := failed(t, err)
			again := newBench(t, 3)
			_, err = again.runInput(workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: at})
			require.NoError(t, err)
			text := strings.Join(append(lines(b.confirmed), lines(again.confirmed)...), "\n")
			require.Equal(t, 1, strings.Count(text, `"begin"`), text)
			require.Equal(t, 1, strings.Count(text, `"end"`), text)
		}
	})
}

func TestAFileHasTheRecordsOfAPullOnceWhereverTheWorkerDies(t *testing.T) {
	for name, answer := range map[string]func(page int, w http.ResponseWriter) bool{
		"three pages": nil,
		"no object":   func(_ int, w http.ResponseWriter) bool { fmt.Fprint(w, "[]"); return true },
	} {
		for dies := 1; ; dies++ {
			dir := t.TempDir()
			sink, err := devo.New(devo.Config{URL: "file://" + dir})
			require.NoError(t, err)
			slice := func(b *bench, at checkpoint.Checkpoint) error {
				server := httptest.NewServer(b)
				defer server.Close()
				b.okta = answer
				_, err := b.collectWith(b.collector(map[string]activities.Tenant{"acme": {Org: b.org(server.URL, nil), Sink: sink}}),
					workflows.SliceInput{Tenant: "acme", Service: "users", Checkpoint: at})
				return err
			}
			dying := newBench(t, 3)
			dying.heartbeat = func(n int, _ *checkpoint.Checkpoint) error {
				if n >= dies {
					return serviceerror.NewNotFound("the slice is another worker's")
				}
				return nil
			}
			if slice(dying, checkpoint.Checkpoint{}) == nil {
				require.Greater(t, dies, 2, name)
				break
			}
			var at checkpoint.Checkpoint
			if len(dying.saved) > 0 {
				at = dying.saved[len(dying.saved)-1]
			}
			require.NoError(t, slice(newBench(t, 3), at))
			file, err := os.ReadFile(filepath.Join(dir, "okta/acme/users.jsonl"))
			require.NoError(t, err)
			all := strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")
			if name == "no object" {
				require.Len(t, all, 2, "%s, heartbeat %d", name, dies)
			} else {
				require.Len(t, all, 5, "%s, heartbeat %d", name, dies)
			}
			require.Contains(t, all[0], `{"@okta_pull":"begin"`)
			require.Contains(t, all[len(all)-1], `{"@okta_pull":"end"`)
		}
	}
}

// deletions answers with events of which one says that a user was removed from a group.
func deletions(_ int, w http.ResponseWriter) bool {
	w.Header().Add("Link", `<https://acme.test/api/v1/logs?after=1&limit=1000>; rel="next"`)
	fmt.Fprint(w, `[{"uuid":"e1","eventType":"user.session.start"},`+
		`{"uuid":"e2","eventType":"group.user_membership.remove","published":"2026-03-01T11:30:00.000Z","outcome":{"result":"SUCCESS"},`+
		`"target":[{"id":"00u1","type":"User"},{"id":"00g1","type":"UserGroup"}]}]`)
	return true
}

func TestWhatWasDeletedIsShippedBeforeItsEvent(t *testing.T) {
	const record = `{"id":"00u1","@okta_group_id":"00g1","@okta_table":"my.app.okta.group_members","@okta_event":"e2","published":"2026-03-01T11:30:00.000Z"}`
	for name, test := range map[string]struct {
		dropped []string
		want    []string
		events  int64
	}{
		"with its event":             {nil, []string{"my.app.okta.deleted " + record, "2 objects"}, 2},
		"an event that is dropped":   {[]string{"group.user_membership.remove"}, []string{"my.app.okta.deleted " + record, "1 objects"}, 1},
		"all of a page are dropped ": {[]string{"group.user_membership.remove", "user.session.start"}, []string{"my.app.okta.deleted " + record}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 1)
			b.okta, b.dropped = deletions, test.dropped
			result, err := b.runInput(workflows.SliceInput{Tenant: "acme", Service: "logs"})
			require.NoError(t, err)
			require.Equal(t, test.want, lines(b.confirmed))
			require.Equal(t, test.events, result.Checkpoint.Totals.Events)
			require.Empty(t, b.saved[0].Position.Cursor, "the first checkpoint is before what is shipped")
		})
	}
}

func TestRecordsAreShippedToTheTablesOfTheTenant(t *testing.T) {
	b := newBench(t, 1)
	server := httptest.NewServer(b)
	defer server.Close()
	tables := map[string]string{"pulls": "my.app.acme.pulls", "deleted": "my.app.acme.gone", "group_members": "my.app.acme.members"}
	tenants := map[string]activities.Tenant{"acme": {Org: b.org(server.URL, nil), Sink: b, Tables: tables}}
	_, err := b.collectWith(b.collector(tenants), workflows.SliceInput{Tenant: "acme", Service: "users"})
	require.NoError(t, err)
	b.okta = deletions
	_, err = b.collectWith(b.collector(tenants), workflows.SliceInput{Tenant: "acme", Service: "logs"})
	require.NoError(t, err)
	all := lines(b.confirmed)
	require.Contains(t, all[0], `my.app.acme.pulls {"@okta_pull":"begin","@okta_table":"auth.okta.users"`)
	require.Contains(t, all[3], `my.app.acme.gone {"id":"00u1","@okta_group_id":"00g1","@okta_table":"my.app.acme.members"`)
}

func TestTheLargestRecordCanBeShipped(t *testing.T) {
	dir := t.TempDir()
	sink, err := devo.New(devo.Config{URL: "file://" + dir, MaxEvent: 4 << 10, Environment: strings.Repeat("\x01", 256)})
	require.NoError(t, err)
	b := newBench(t, 1)
	long, stamp := strings.Repeat("x", 256), strings.Repeat("e", 64)
	b.okta = func(_ int, w http.ResponseWriter) bool {
		w.Header().Add("Link", `<https://acme.test/api/v1/logs?after=1&limit=1000>; rel="next"`)
		fmt.Fprintf(w, `[{"uuid":%q,"eventType":"group.user_membership.remove","published":%[1]q,"target":[{"id":%[2]q,"type":"User"},{"id":%[2]q,"type":"UserGroup"}]}]`, stamp, long)
		return true
	}
	server := httptest.NewServer(b)
	defer server.Close()
	tables := map[string]string{"group_members": "my.app." + strings.Repeat("x", 1024-len("my.app."))}
	_, err = b.collectWith(b.collector(map[string]activities.Tenant{"acme": {Org: b.org(server.URL, nil), Sink: sink, Tables: tables}}),
		workflows.SliceInput{Tenant: "acme", Service: "logs"})
	require.NoError(t, err)
	file, err := os.ReadFile(filepath.Join(dir, "okta/acme/logs.jsonl"))
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(file), "\n"))
	require.NotContains(t, string(file), "@okta_cut")
}
