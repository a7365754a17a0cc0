package machine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFaultOfThisMachineHasARemedy(t *testing.T) {
	dialing := func(err error) error {
		return fmt.Errorf("connecting to devo:443: %w", &net.OpError{Op: "dial", Net: "tcp", Err: err})
	}
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"no descriptor in the process": {dialing(os.NewSyscallError("socket", syscall.EMFILE)), "LimitNOFILE"},
		"no descriptor in the machine": {&os.PathError{Op: "open", Path: "/token", Err: syscall.ENFILE}, "fs.file-max"},
		"a full disk":                  {&os.PathError{Op: "write", Path: "/f", Err: syscall.ENOSPC}, "free some space"},
		"a full quota":                 {&os.PathError{Op: "write", Path: "/f", Err: syscall.EDQUOT}, "quota"},
		"a file of the largest size":   {&os.PathError{Op: "write", Path: "/f", Err: syscall.EFBIG}, "ulimit -f"},
		"a name that does not exist":   {dialing(&net.DNSError{Err: "no such host", Name: "acme.okta.com", IsNotFound: true}), "does not know the name acme.okta.com"},
		"a DNS that does not answer":   {dialing(&net.DNSError{Err: "i/o timeout", Name: "acme.okta.com", IsTimeout: true}), "DNS does not answer"},
		"a DNS that fails":             {dialing(&net.DNSError{Err: "server misbehaving", Name: "acme.okta.com", IsTemporary: true}), "DNS does not answer"},
	} {
		t.Run(name, func(t *testing.T) { require.Contains(t, Remedy(test.err), test.want) })
	}
	for _, err := range []error{nil, errors.New("another"), dialing(syscall.ECONNREFUSED), dialing(os.ErrDeadlineExceeded)} {
		require.Empty(t, Remedy(err))
	}
}
