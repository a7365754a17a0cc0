package main

import (
	"errors"
	"os"
	"path"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
)

// writeDebian writes a target's Debian package: the programs, the systemd unit, its settings, which an upgrade keeps, and
// a directory for secrets that root alone may read.
func (r release) writeDebian(t target, program string) (err error) {
	const configuration = "/etc/okta-collector"
	at := func(to, from, kind string, mode os.FileMode) *files.Content {
		if from != "" && kind != files.TypeSymlink {
			from = r.source(from)
		}
		return &files.Content{Source: from, Destination: to, Type: kind,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.time}}
	}
	contents := files.Contents{
		at("/usr/bin/okta-collector", program, files.TypeFile, 0o755),
		at("/usr/bin/okta-collector-worker", "okta-collector", files.TypeSymlink, 0o777),
		at("/lib/systemd/system/okta-collector-worker.service", "deployments/linux/okta-collector-worker.service", files.TypeFile, 0o644),
		at(configuration+"/settings", "deployments/linux/settings", files.TypeConfigNoReplace, 0o644),
		at(configuration+"/secrets", "", files.TypeDir, 0o700),
	}
	for _, document := range documents {
		contents = append(contents, at("/usr/share/doc/okta-collector/"+path.Base(document), document, files.TypeFile, 0o644))
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "okta-collector", Arch: t.arch, Platform: t.os, Version: r.version, Section: "net", Priority: "optional",
		Maintainer:  "The okta-collector authors <okta-collector@localhost>",
		Description: "Collects what Okta orgs report about themselves into Devo\n By an existing Temporal, which keeps the positions.",
		MTime:       r.time,
		Overridables: nfpm.Overridables{Contents: contents, Scripts: nfpm.Scripts{
			PostInstall: r.source("deployments/linux/postinst"),
			PreRemove:   r.source("deployments/linux/prerm"),
			PostRemove:  r.source("deployments/linux/postrm"),
		}},
	})
	if err := nfpm.PrepareForPackager(info, "deb"); err != nil {
		return err
	}
	file, err := os.Create(r.path(t, "deb"))
	if err != nil {
		return err
	}
	return errors.Join(deb.Default.Package(info, file), file.Close())
}
