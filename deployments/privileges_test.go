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

func TestKubernetesGivesNoRights(t *testing.T) {
	pod := readDeployment(t).Spec.Template.Spec
	require.True(t, pod.SecurityContext.RunAsNonRoot)
	require.Equal(t, "RuntimeDefault", pod.SecurityContext.SeccompProfile.Type)
	require.False(t, pod.HostNetwork || pod.HostPID)
	require.NotNil(t, pod.AutomountServiceAccountToken)
	require.False(t, *pod.AutomountServiceAccountToken, "it asks nothing of the cluster")
	require.Len(t, pod.Containers, 1)
	container := pod.Containers[0].SecurityContext
	require.NotNil(t, container.AllowPrivilegeEscalation)
	require.False(t, *container.AllowPrivilegeEscalation)
	require.False(t, container.Privileged)
	require.True(t, container.ReadOnlyRootFilesystem)
	require.Equal(t, []string{"ALL"}, container.Capabilities.Drop)
	require.Empty(t, container.Capabilities.Add)
}

func TestKubernetesMayChooseTheUser(t *testing.T) {
	pod := readDeployment(t).Spec.Template.Spec
	require.Nil(t, pod.SecurityContext.RunAsUser, "OpenShift assigns one, and refuses any other")
	require.Nil(t, pod.SecurityContext.RunAsGroup)
	require.Nil(t, pod.SecurityContext.FSGroup)
	require.Nil(t, pod.Containers[0].SecurityContext.RunAsUser)
	require.Len(t, pod.Volumes, 1)
	require.Equal(t, 0o444, pod.Volumes[0].Secret.DefaultMode, "whoever that is reads the secrets, which are root's")
}

func TestComposeGivesNoRights(t *testing.T) {
	compose := readCompose(t)
	worker := compose.Services["worker"]
	require.False(t, worker.Privileged)
	require.True(t, worker.ReadOnly)
	require.Equal(t, []string{"ALL"}, worker.CapDrop)
	require.Contains(t, worker.SecurityOpt, "no-new-privileges")
	for name, service := range compose.Services {
		for _, port := range service.Ports {
			require.Regexp(t, `^127\.0\.0\.1:`, port, name+" is for this machine only")
		}
	}
}
