package secret_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"okta-collector/internal/secret"
)

const value = "00abcDEF-_"

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestASecretGivesItsValueOnlyToRead(t *testing.T) {
	s := secret.Value(value)
	got, err := s.Read()
	require.NoError(t, err)
	require.Equal(t, value, got)

	inside := struct {
		Token   secret.Secret
		Pointer *secret.Secret
		Any     any
	}{s, &s, s}
	hidden := struct{ token secret.Secret }{s} // fmt asks nothing of what is in unexported fields
	marshalled, err := json.Marshal(inside)
	require.NoError(t, err)
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "secret", s, "inside", inside)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", s, "inside", inside)
	zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&logged), zap.DebugLevel)).
		Info("x", zap.Any("secret", s), zap.Any("inside", inside), zap.Reflect("reflected", s), zap.Stringer("string", s))

	for _, shown := range []string{
		string(marshalled), logged.String(), s.String(), fmt.Sprint(s, &s, inside), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s),
		fmt.Sprintf("%v %+v %#v", hidden, hidden, hidden),
		fmt.Sprintf("%+v %#v", inside, inside), fmt.Errorf("failed with %v", s).Error(),
	} {
		require.NotContains(t, shown, value)
		require.NotContains(t, shown, fmt.Sprintf("%x", value))
	}
}

func TestAFileIsReadAnewSoThatItCanBeRotated(t *testing.T) {
	path := file(t, "first\n")
	s := secret.File(path)

	got, err := s.Read()
	require.NoError(t, err)
	require.Equal(t, "first", got)

	require.NoError(t, os.WriteFile(path, []byte("  second\r\n"), 0o600))
	got, err = s.Read()
	require.NoError(t, err)
	require.Equal(t, "second", got)
}

func TestAFileThatIsBeingWrittenIsReadAgain(t *testing.T) {
	for name, before := range map[string]func(path string) error{
		"empty":          func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"not there":      os.Remove,
		"something else": func(path string) error { return os.WriteFile(path, []byte("a b"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := file(t, "old")
				require.NoError(t, before(path))
				time.AfterFunc(600*time.Millisecond, func() { _ = os.WriteFile(path, []byte("new\n"), 0o600) })
				got, err := secret.File(path).Read()
				require.NoError(t, err)
				require.Equal(t, "new", got)
			})
		})
	}
}

func TestASecretOfSeveralLinesIsReadAndParsedTogether(t *testing.T) {
	half := errors.New("it is half a key")
	parse := func(text string) (int, error) {
		if !strings.HasSuffix(text, "END") {
			return 0, half
		}
		return strings.Count(text, "\n"), nil
	}
	got, err := secret.ReadAs(t.Context(), secret.Value(" BEGIN\nx\nEND\n"), parse)
	require.NoError(t, err)
	require.Equal(t, 2, got)
	_, err = secret.ReadAs(t.Context(), secret.Value(strings.Repeat("x", 64<<10+1)), parse)
	require.ErrorContains(t, err, "larger than")
	_, err = secret.ReadAs(t.Context(), secret.Secret{}, parse)
	require.ErrorIs(t, err, secret.ErrEmpty)

	path := file(t, "BEGIN\nx")
	synctest.Test(t, func(t *testing.T) {
		_, err := secret.ReadAs(t.Context(), secret.File(path), parse)
		require.ErrorIs(t, err, half)
		require.ErrorContains(t, err, path)
		time.AfterFunc(600*time.Millisecond, func() { _ = os.WriteFile(path, []byte("BEGIN\nx\nEND\n"), 0o600) })
		got, err := secret.ReadAs(t.Context(), secret.File(path), parse)
		require.NoError(t, err, "somebody was writing it")
		require.Equal(t, 2, got)
	})
}

func TestIsSet(t *testing.T) {
	require.False(t, secret.Secret{}.IsSet())
	require.False(t, secret.Value("").IsSet())
	require.True(t, secret.Value("x").IsSet())
	require.True(t, secret.File("x").IsSet())
}

func TestWhatCannotBeASecretIsRefusedWithoutShowingIt(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	empty := file(t, " \n")
	large := file(t, strings.Repeat("x", 64<<10+1))
	broken := file(t, "s3cr\net")
	for _, test := range []struct {
		name   string
		secret secret.Secret
		want   string
	}{
		{"unset", secret.Secret{}, "empty"},
		{"blank", secret.Value(" "), "empty"},
		{"too large", secret.Value(strings.Repeat("x", 64<<10+1)), "larger than"},
		{"file absent", secret.File(absent), absent},
		{"file empty", secret.File(empty), empty},
		{"file too large", secret.File(large), "larger than"},
		{"file of two lines", secret.File(broken), broken},
		{"line break", secret.Value("s3cr\net"), "control character"},
		{"blank inside", secret.Value("s3cr et"), "blank"},
		{"not ASCII", secret.Value("s3cré"), "ASCII"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got, err := test.secret.Read()
				require.ErrorContains(t, err, test.want)
				require.NotContains(t, err.Error(), "s3cr")
				require.Empty(t, got)
				require.Less(t, time.Since(began), time.Second, "it is soon known")
			})
		})
	}
	_, err := secret.Secret{}.Read()
	require.ErrorIs(t, err, secret.ErrEmpty)
}

// FuzzReadReturnsOnlyWhatAHeaderMayHave: it is the text without the white space around it, or an error
// that repeats nothing of it.
func FuzzReadReturnsOnlyWhatAHeaderMayHave(f *testing.F) {
	f.Add("00abc")
	f.Add(" a\tb\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := secret.Value(text).Read()
		if err != nil {
			require.Empty(t, got)
			require.Contains(t, []string{"secret is empty", "secret has a blank, a control character or one that is not ASCII"}, err.Error())
			return
		}
		require.Equal(t, strings.TrimSpace(text), got)
		require.Regexp(t, `^[!-~]+$`, got)
	})
}
