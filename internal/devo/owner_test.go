package devo_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

const (
	one     = "Temporal namespace default, id 3f2f6fd7-6f2b-4a9e-9d3c-1d7a4b0c9a01"
	another = "Temporal namespace default, id b1c9e0aa-52c3-4c67-8a54-7f0e8f1d2b02"
)

// owned is the sink of a worker of a Temporal.
func owned(t testing.TB, dir, tenant, owner string) devo.Sink {
	return newSink(t, devo.Config{URL: "file://" + dir, Tenant: tenant, Owner: owner})
}

func TestASecondTemporalWithATenantOfTheSameNameWritesNothingIntoItsDirectory(t *testing.T) {
	dir := t.TempDir()
	first := owned(t, dir, "acme", one)
	at := position{}.deliver(t, first, objects(0, 2, 1))
	before := tree(t, dir)

	second := owned(t, dir, "acme", another)
	zero := int64(0)
	for _, offset := range []*int64{nil, &zero} {
		_, err := second.Open(t.Context(), logsTarget(offset))
		for _, err := range []error{err, second.Check(t.Context())} {
			require.ErrorIs(t, err, devo.ErrRefused, "a person has to act")
			require.ErrorContains(t, err, one)
			require.ErrorContains(t, err, another)
			require.Contains(t, devo.Remedy(err), "DEVO_URL")
			require.Contains(t, devo.Remedy(err), ".okta-collector-owner-acme")
		}
	}
	require.Equal(t, before, tree(t, dir))

	at.deliver(t, owned(t, dir, "acme", one), objects(2, 1, 1)) // another worker of the first one
	require.Equal(t, numbers(0, 1, 2), read(t, dir, "okta/acme/logs.jsonl"))

	// Another tenant has files of its own in the same directory.
	stream := openStream(t, owned(t, dir, "globex", another), devo.Target{Name: "okta/globex/logs", Tag: "auth.okta.system"})
	ship(t, stream, objects(0, 1, 1))

	// A person has decided that the first Temporal is gone.
	require.NoError(t, os.Remove(filepath.Join(dir, ".okta-collector-owner-acme")))
	position{}.deliver(t, second, objects(3, 1, 1))
	require.Equal(t, numbers(0, 1, 2, 3), read(t, dir, "okta/acme/logs.jsonl"))
}

// tree has everything below a directory, and the content of files.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		files[path] = d.Type().String()
		if err == nil && d.Type().IsRegular() {
			files[path] = read(t, path)
		}
		return err
	}))
	return files
}

func TestADirectoryOfAnEarlierVersionIsAdopted(t *testing.T) {
	dir := t.TempDir()
	old, _ := fileSink(t, dir) // which knew of no owners
	at := position{}.deliver(t, old, objects(0, 2, 1))
	at.deliver(t, owned(t, dir, "acme", one), objects(2, 1, 1))
	require.Equal(t, numbers(0, 1, 2), read(t, dir, "okta/acme/logs.jsonl"))
	_, err := owned(t, dir, "acme", another).Open(t.Context(), logsTarget(nil))
	require.ErrorIs(t, err, devo.ErrRefused)
}

func TestALookAtADirectoryDoesNotClaimIt(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, owned(t, dir, "acme", one).Check(t.Context()))
	nobody, _ := fileSink(t, dir)
	ship(t, openStream(t, nobody, devo.Target{Name: "okta/acme/check", Tag: devo.CheckTable}), objects(0, 1, 1))
	_, err := owned(t, dir, "acme", another).Open(t.Context(), logsTarget(nil))
	require.NoError(t, err)
}

func TestOfTemporalsThatClaimADirectoryAtOnceOneGetsIt(t *testing.T) {
	dir := t.TempDir()
	opened := make([]bool, 10)
	var wg sync.WaitGroup
	for i := range opened {
		sink := owned(t, dir, "acme", strings.Repeat("x", i+1))
		wg.Go(func() {
			stream, err := sink.Open(t.Context(), devo.Target{Name: "okta/acme/" + strings.Repeat("x", i+1), Tag: "auth.okta.system"})
			if opened[i] = err == nil; opened[i] {
				stream.Close()
			}
		})
	}
	wg.Wait()
	count := 0
	for i, is := range opened {
		if is {
			count++
			require.Equal(t, strings.Repeat("x", i+1)+"\n", read(t, dir, ".okta-collector-owner-acme"))
		}
	}
	require.Equal(t, 1, count)
}

func TestAnOwnerThatIsUnreadableIsForAPersonAndShownInPlainCharacters(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"empty":       func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"long":        func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("\x1b[31m", 10_000)), 0o600) },
		"escapes":     func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("\x1b[31m", 100)), 0o600) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a link":      func(path string) error { return os.Symlink("/etc/passwd", path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, make(filepath.Join(dir, ".okta-collector-owner-acme")))
			_, err := owned(t, dir, "acme", one).Open(t.Context(), logsTarget(nil))
			require.ErrorIs(t, err, devo.ErrRefused)
			require.NotContains(t, err.Error(), "\x1b")
			require.Less(t, len(err.Error()), 1500)
		})
	}
}
