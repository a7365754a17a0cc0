// Package product builds the programs of the product's module for those that test them.
package product

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build builds packages of the product, named from its root, into a directory, and returns the root.
// The build runs there, so that the product's own go.mod chooses the dependencies and not the tests'.
func Build(ctx context.Context, dir string, packages ...string) (root string, err error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("finding the product's module: %w", err)
	}
	root = filepath.Dir(filepath.Dir(strings.TrimSpace(string(out)))) // of test/go.mod
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-o", dir + "/"}, packages...)...)
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building: %w\n%s", err, out)
	}
	return root, nil
}
