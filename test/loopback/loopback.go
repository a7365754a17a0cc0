// Package loopback is what the programs under test/ need of the loopback interface: an address for a
// program to listen on, and a question to one that does.
package loopback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
)

// The ports of FreeAddress lie below those from which Linux (32768 and up), macOS and Windows (49152 and
// up) take the local port of a connection: a program that is killed and started again at its address
// finds it free, whatever was connected meanwhile.
const (
	firstPort = 15_000
	lastPort  = 32_000
)

// given are the ports that FreeAddress has returned: nobody need listen there just now.
var given sync.Map

// FreeAddress returns a loopback address that nobody listens on, and that neither the kernel nor this
// function gives to anybody else.
func FreeAddress() (string, error) {
	var err error
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("finding a free port: %w", err)
}

// Get asks for a URL and decodes the JSON of its answer into out, if that is not nil.
func Get(ctx context.Context, url string, out any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(out)
}
