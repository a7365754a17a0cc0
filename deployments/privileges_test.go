package deployments_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// That no program needs more is shown in test/secrets_test.go, which runs them as nobody.

func TestTheImageRunsAsSomebodyWithoutRights(t *testing.T) {
	content, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	stages := regexp.MustCompile(`(?m)^FROM .*$`).FindAllIndex(content, -1)
	last := content[stages[len(stages)-1][0]:]
	users := regexp.MustCompile(`(?m)^USER (\d+):(\d+)$`).FindAllSubmatch(last, -1)
	require.Len(t, users, 1, "by number, since Kubernetes cannot tell who a name is")
	require.NotEqual(t, "0", string(users[0][1]))
	require.NotEqual(t, "0", string(users[0][2]))
	require.Regexp(t, `(?m)^FROM scratch$`, string(last), "nothing else is in it to be run")
}
