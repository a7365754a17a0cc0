package test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

var (
	crafted     = flag.Duration("crafted", 10*time.Second, "how long to send crafted states and messages")
	craftedSeed = flag.Uint64("crafted-seed", 0, "what they are made of; 0: another one each time")
)

func taskQueue(s *stack) *taskqueue.TaskQueue {
	return &taskqueue.TaskQueue{Name: s.env["COLLECTOR_TASK_QUEUE"]}
}

// failedTasks are the messages of the workflow tasks of a run that failed.
func (s *stack) failedTasks(id string) (messages []string) {
	h := s.client.GetWorkflowHistory(context.Background(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for h.HasNext() {
		event, err := h.Next()
		require.NoError(s.t, err)
		// A worker that was killed lets its sticky queue time out, which is no failure.
		if failed := event.GetWorkflowTaskFailedEventAttributes(); failed != nil {
			messages = append(messages, failed.GetCause().String()+": "+failed.GetFailure().GetMessage())
		}
	}
	return messages
}

// wedgedNothing checks that the worker's code has failed no workflow task, and that nothing in it has panicked.
func (s *stack) wedgedNothing() {
	s.t.Helper()
	text := s.metricsText()
	for _, kind := range []string{workflows.CollectName, workflows.BackfillName, workflows.TenantName} { // there is no code of another type
		require.Empty(s.t, regexp.MustCompile(`(?m)^temporal_workflow_task_execution_failed_total{.*workflow_type="`+kind+`".*} [1-9].*$`).FindString(text), tail(s.out.String()))
	}
	require.Less(s.t, len(text), 1<<20, "/metrics has what the catalog and the settings have")
	require.Empty(s.t, regexp.MustCompile(`(?m)^.*panic.*$`).FindString(s.out.String()))
}

func (s *stack) metricsText() string {
	resp, err := http.Get("http://" + s.env["COLLECTOR_LISTEN"] + "/metrics")
	require.NoError(s.t, err, "the worker is alive")
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return string(text)
}

// TestCraftedStatesAndMessagesHarmNothing sends to a running worker whatever somebody can who may write to the namespace:
//
//	go test -C test . -run TestCraftedStatesAndMessagesHarmNothing -crafted 10m
//
// Then the worker is alive, no file was cut, no request went beyond the catalog's paths, the status answers, and what was
// collected before is collected on.
func TestCraftedStatesAndMessagesHarmNothing(t *testing.T) {
	t.Parallel()
	seed := *craftedSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-crafted-seed %d", seed)
	s := newStack(t, oktasim.Config{Seed: 321, Unlimited: true, LiveEvery: 50 * time.Millisecond, Counts: map[string]int{
		"logs": 200, "users": 30, "groups": 10, "apps": 4, "clients": 3, "idps": 2, "zones": 2, "app_users": 2, "app_groups": 2, "group_members": 2,
	}})
	files := filepath.Join(s.dir, "files")
	require.NoError(t, os.MkdirAll(files, 0o755))
	s.env["DEVO_URL"] = "file://" + files
	s.setOkta("POLL_LOGS", "1s")
	s.setOkta("POLL_RESOURCES", "5s")
	s.startWorker()
	s.start("logs", "users", "app_users")
	s.caughtUp("logs", "users", "app_users")

	a := &attacker{stack: s, random: rand.New(rand.NewPCG(seed, 0)), files: files, tails: map[string]fileTail{}, seen: map[int]bool{}}
	rounds := 0
	for end := time.Now().Add(*crafted); time.Now().Before(end); rounds++ {
		var sending sync.WaitGroup
		for range 4 {
			attack := a.attack()
			sending.Go(attack)
		}
		sending.Wait()
		a.look()
	}
	a.look()
	t.Logf("%d attacks, %d requests to Okta, %d files", 4*rounds, len(a.seen), len(a.tails))
	s.wedgedNothing()
	out, code := s.starter("status")
	require.Less(t, code, 2, out)
	require.Contains(t, out, s.tenant)

	// What an operator would do. The service goes on behind what its file has.
	for _, service := range allServices {
		_ = s.client.TerminateWorkflow(context.Background(), s.id(service), "", "it is somebody else's")
	}
	_ = s.client.TerminateWorkflow(context.Background(), workflows.TenantID(s.tenant), "", "it is somebody else's")
	out, code = s.starter("start", "--fresh", s.id("logs"), s.id("users"), s.id("app_users"))
	require.Zero(t, code, out)
	s.caughtUp("logs", "users", "app_users")
	a.look()
	s.wedgedNothing()
}

// attacker writes to the namespace.
type attacker struct {
	*stack
	random *rand.Rand
	files  string
	tails  map[string]fileTail // of each file, when it was last looked at
	seen   map[int]bool        // the numbers of the requests that were looked at
	few    int                 // one of so many members is in an object
}

// fileTail is the length of a file, and what is before its end.
type fileTail struct {
	size int64
	text string
}

// readBefore reads what is in a file before an offset.
func readBefore(t *testing.T, path string, offset int64) string {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	text := make([]byte, min(offset, 4096))
	_, err = f.ReadAt(text, offset-int64(len(text)))
	require.NoError(t, err)
	return string(text)
}

func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// look checks what must hold all the while.
func (a *attacker) look() {
	t := a.t
	select {
	case <-a.worker.done:
		t.Fatalf("the worker exited: %v\n%s", a.worker.err, tail(a.out.String()))
	default:
	}
	require.NoError(t, filepath.WalkDir(a.files, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".jsonl") {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		require.GreaterOrEqualf(t, info.Size(), a.tails[path].size, "%s was cut", path)
		// One that was cut may have grown again since, with other pulls' ids.
		require.Equalf(t, a.tails[path].text, readBefore(t, path, a.tails[path].size), "%s was cut", path)
		a.tails[path] = fileTail{info.Size(), readBefore(t, path, info.Size())}
		return nil
	}))
	for _, r := range a.org.Requests() {
		if a.seen[r.N] {
			continue
		}
		a.seen[r.N] = true
		_, query, _ := strings.Cut(r.Target, "?")
		require.NotEmpty(t, r.Service, "a request beyond the catalog's paths: %s", r.Target)
		require.NotRegexp(t, `(^|&)(search|q|type|expand)=`, query, "a request that selects: %s", r.Target)
	}
}

// paths are those of the catalog.
var paths = map[string]string{
	"logs": "/api/v1/logs", "users": "/api/v1/users", "groups": "/api/v1/groups", "apps": "/api/v1/apps", "clients": "/oauth2/v1/clients", "idps": "/api/v1/idps",
	"zones": "/api/v1/zones", "app_users": "/api/v1/apps/{id}/users", "app_groups": "/api/v1/apps/{id}/groups", "group_members": "/api/v1/groups/{id}/users",
}

// attack chooses the next attack.
func (a *attacker) attack() func() {
	r := a.random
	service := one(r, allServices...)
	id := a.id(service)
	switch r.IntN(12) {
	case 0, 1, 2:
		return a.starts(workflows.CollectName, one(r, id, id, id, a.odd(), "okta/"+a.tenant+"/"+a.odd()),
			fmt.Sprintf(`{"tenant":%s,"service":%s,"since":%s,"state":%s}`, text(one(r, a.tenant, a.tenant, a.tenant, "globex", a.odd())), text(one(r, service, service, service, a.odd())), a.time(), a.state(service)))
	case 3, 4:
		since, until := a.time(), a.time()
		ofRange, err := backfillID(a.tenant, service, since, until)
		if err != nil {
			ofRange = id + "/backfill/full"
		}
		return a.starts(workflows.BackfillName, one(r, ofRange, ofRange, ofRange, id),
			fmt.Sprintf(`{"tenant":%s,"service":%s,"since":%s,"until":%s,"state":%s}`, text(a.tenant), text(service), since, until, a.state(service)))
	case 5:
		return a.starts(one(r, "Evil", a.odd()), one(r, id, a.odd()), a.state(service))
	case 6, 7:
		name, input := one(r, "pause", "resume", "poll", "backfill", a.odd()), a.message()
		return func() { _ = a.signalRaw(id, name, rawPayloads(input)) }
	case 8:
		input := &update.Input{Name: one(r, "backfill", "backfill", a.odd()), Args: rawPayloads(a.message())}
		return func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second) // there may be no answer
			defer cancel()
			_, _ = a.client.WorkflowService().UpdateWorkflowExecution(ctx, &workflowservice.UpdateWorkflowExecutionRequest{
				Namespace: client.DefaultNamespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: id},
				WaitPolicy: &update.WaitPolicy{LifecycleStage: enums.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED},
				Request:    &update.Request{Meta: &update.Meta{}, Input: input},
			})
		}
	case 9:
		return a.starts(one(r, workflows.TenantName, workflows.TenantName, workflows.TenantName, "Evil"), one(r, workflows.TenantID(a.tenant), workflows.TenantID(a.tenant), id, "okta/"),
			fmt.Sprintf(`{"tenant":%s,"state":{"decisions":%s,"warnings":%s}}`, text(one(r, a.tenant, a.tenant, a.odd())), a.list(5, a.decision), one(r, `null`, `[{"count":-1}]`)))
	case 10:
		name, input := one(r, "decide", "decide", "decide", "pause"), one(r, a.decision(), a.decision(), a.message())
		return func() { _ = a.signalRaw(workflows.TenantID(a.tenant), name, rawPayloads(input)) }
	default:
		kind, input := one(r, "status", "status", "__stack_trace", a.odd()), a.message()
		return func() { _ = a.queryRaw(id, kind, rawPayloads(input), time.Second) }
	}
}

// starts starts a run in place of the one that runs.
func (a *attacker) starts(kind, id, input string) func() {
	return func() {
		_, _ = a.client.WorkflowService().StartWorkflowExecution(context.Background(), &workflowservice.StartWorkflowExecutionRequest{
			Namespace: client.DefaultNamespace, WorkflowId: id, WorkflowType: &common.WorkflowType{Name: kind}, TaskQueue: taskQueue(a.stack),
			RequestId: fmt.Sprint(time.Now().UnixNano()), Input: rawPayloads(input),
			WorkflowIdConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
		})
	}
}

// backfillID is the id of a backfill of these times in JSON.
func backfillID(tenant, service, since, until string) (string, error) {
	from, err := time.Parse(`"`+time.RFC3339Nano+`"`, since)
	if err != nil {
		return "", err
	}
	to, err := time.Parse(`"`+time.RFC3339Nano+`"`, until)
	if err != nil {
		return "", err
	}
	const layout = "2006-01-02T15:04:05.000Z"
	return workflows.WorkflowID(tenant, service) + "/backfill/" + from.UTC().Format(layout) + "--" + to.UTC().Format(layout), nil
}

// text is a text in JSON.
func text(s string) string {
	data, _ := json.Marshal(s) // cannot fail for a string
	return string(data)
}

// odd is a text that is no name.
func (a *attacker) odd() string {
	return one(a.random, ".", "..", "../../etc", "café", "a/b", "%2e%2e", "x\u202ey", "\x1b[31m", strings.Repeat("x", 300), "'\"`$(id)", "logs", "")
}

func (a *attacker) number() string {
	return one(a.random, "0", "1", "-1", "7", "64", "1000000", "-9223372036854775808", "9223372036854775807", "9007199254740993", "2147483648")
}

func (a *attacker) time() string {
	now := time.Now().UTC()
	return `"` + one(a.random, "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2099-01-01T00:00:00Z",
		now.Format(time.RFC3339Nano), now.Add(-time.Hour).Format(time.RFC3339), now.Add(-24*time.Hour).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339)) + `"`
}

// cursor is one that leads elsewhere, or to a collection of the catalog.
func (a *attacker) cursor(service string) string {
	own := strings.ReplaceAll(paths[service], "{id}", one(a.random, "0oa1", "..", "%2e%2e", "x"))
	return one(a.random, "", own, own+"?after=1&limit=2", own+"?limit="+a.number(), own+"?search=profile.login+eq+%22x%22", own+"?q=a", own+"?filter=id+pr", own+"?expand=user",
		"/oauth2/v1/logout", "/api/v1/users/me", "/api/v1/users?search=x", "//evil.test/x", "https://evil.test/x", "/../x", own+"/..", strings.Repeat("/x", 3000), "/"+a.odd())
}

func (a *attacker) level(service string) string {
	return fmt.Sprintf(`{"cursor":%s,"id":%s,"done":%s,"refused":%s,"seeking":%t,"only":%t,"guard":{"empty":%s,"steps":3}}`,
		text(a.cursor(service)), text(a.odd()), text(a.odd()), a.number(), a.random.IntN(2) == 0, a.random.IntN(2) == 0, a.number())
}

// list is a list of up to so many elements.
func (a *attacker) list(most int, element func() string) string {
	var all []string
	for range a.random.IntN(most + 1) {
		all = append(all, element())
	}
	return "[" + strings.Join(all, ",") + "]"
}

// state is a state of a service in JSON. Most have one odd thing, which is taken up. The others have many: of each member
// there may be what a state has, what it cannot have, or nothing.
func (a *attacker) state(service string) string {
	r := a.random
	switch r.IntN(6) {
	case 0, 1:
		return fmt.Sprintf(`{"checkpoint":{"position":{"cursor":%s,"pull":{"id":%d,"kind":%q,"events":1,"began":%q}},"totals":{}}}`, text(a.cursor(service)),
			time.Now().UnixMilli(), one(r, "full", map[bool]string{true: "poll", false: "full"}[service == "logs"]), time.Now().UTC().Format(time.RFC3339))
	case 2:
		return fmt.Sprintf(`{"checkpoint":{"position":{},"totals":{},"offset":%s,"offsetOf":%s}}`, one(r, "0", "0", "1000", a.number()), text(a.files))
	case 3:
		return fmt.Sprintf(`{"checkpoint":{"position":{"levels":[%s],"pull":{"id":7,"kind":"full","began":%q}},"totals":{}}}`, a.level(service), time.Now().UTC().Format(time.RFC3339))
	}
	a.few = one(r, 2, 4, 12)
	levels := func() string { return a.list(one(r, 1, 1, 4), func() string { return a.level(service) }) }
	part := func() string { return fmt.Sprintf(`{"objects":%s,"ids":%d}`, a.number(), r.Uint64()) }
	position := a.object(
		"pull", a.object("id", a.number(), "kind", one(r, `"poll"`, `"full"`, `"changes"`, `"range"`, `"haunted"`), "since", a.time(), "until", a.time(), "began", a.time(),
			"events", a.number(), "missing", a.number(), "missingOf", a.list(9, func() string { return text(a.odd()) })),
		"cursor", text(a.cursor(service)), "part", part(), "levels", levels(), "listed", a.number(), "refused", a.number(),
		"failing", fmt.Sprintf(`{"like":%s,"times":%s}`, text(one(r, "no link", "no answer", a.odd())), a.number()),
		"aside", a.list(70, func() string {
			return fmt.Sprintf(`{"under":[%s],"cursor":%s,"part":%s,"listed":%s}`, text(a.odd()), text(a.cursor(service)), part(), a.number())
		}),
		"retrying", "true", "row", fmt.Sprintf(`{"parents":%s,"aside":%s,"missing":%s,"levels":%s}`, a.number(), a.number(), a.number(), levels()),
		"limit", a.number(), "steady", a.number(), "lastPullID", a.number(), "cutOff", "true", "fullObjects", a.number(), "changedSince", a.time(), "lastFull", a.time(),
		"newest", a.time(), "byTime", "true", "seen", one(r, `"AAE="`, `"AAAAAAAAAAE="`), "visited", `"AA=="`, "covered", a.time(), "span", a.number(), "idlePolls", a.number())
	checkpoint := a.object("position", position, "offset", a.number(), "offsetOf", text(one(r, a.files, a.odd())),
		"proof", one(r, `"fin"`, `"magic"`), "proofOf", text(a.odd()), "due", a.time(),
		"totals", a.object("pages", a.number(), "events", a.number(), "bytes", a.number(), "pulls", a.number(), "missing", a.number()),
		"windows", a.list(9, func() string {
			return fmt.Sprintf(`{"name":%s,"limit":%s,"remaining":%s,"used":%s,"reset":%s,"ends":%s}`, text(one(r, "/api/v1/users", "/api/v1/logs", a.odd())), a.number(), a.number(), a.number(), a.number(), a.time())
		}))
	return a.object("checkpoint", checkpoint, "paused", one(r, "true", "false", "false", "false"), "blocked", "true", "failures", a.number(), "problems", a.number(), "restarts", a.number(), "slices", a.number(), "wakeAt", a.time(),
		"wakeReason", one(r, `"poll"`, `"blocked"`, `"forever"`), "caughtUp", "true", "caughtUpAt", a.time(), "began", a.time(), "since", a.time(),
		"lastProblem", fmt.Sprintf(`{"class":%s,"message":%s,"at":%s}`, text(one(r, "passing", "haunted")), text(a.odd()), a.time()),
		"warnings", a.list(20, func() string {
			return fmt.Sprintf(`{"kind":%s,"message":%s,"count":%s}`, text(a.odd()), text(a.odd()), a.number())
		}))
}

// decision is one about a service in JSON.
func (a *attacker) decision() string {
	service := one(a.random, allServices...)
	return fmt.Sprintf(`{"service":%s,"decision":%s,"at":%s,"run":%s,"state":%s}`, text(one(a.random, service, service, service, a.odd())),
		text(one(a.random, "started", "stopped", "forgotten", "stopped", a.odd())), a.time(), text(a.odd()), a.state(service))
}

// object is a JSON object of some of these members.
func (a *attacker) object(members ...string) string {
	var all []string
	for i := 0; i < len(members); i += 2 {
		if a.random.IntN(a.few) == 0 {
			all = append(all, fmt.Sprintf("%s:%s", text(members[i]), members[i+1]))
		}
	}
	return "{" + strings.Join(all, ",") + "}"
}

// message is what a signal, an update or a query bears.
func (a *attacker) message() string {
	return one(a.random, `{}`, `null`, `7`, `"x"`, `{`, `[[[[]]]]`, `{"resetProof":true}`, `{"since":`+a.time()+`,"until":`+a.time()+`}`,
		`{"since":"`+strings.Repeat("x", one(a.random, 300, 5_000, 1_500_000))+`"}`)
}
