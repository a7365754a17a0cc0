package config

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"
	"github.com/prometheus/common/model"

	"okta-collector/internal/secret"
)

// maxVariable bounds a variable's text in bytes. A list of a hundred names is shorter. A longer text may be a whole
// file, so errors do not quote it.
const maxVariable = 8 << 10

// reader reads the settings of the process or of one tenant, and collects the problems that it finds.
type reader struct {
	prefix string // ACME_EU_ for tenant acme-eu; empty for the process and for the default tenant
	found  *Problems
}

// fill reads a struct of variables. It removes white space around values, which files and templates leave behind. It
// gives empty variables their default. envconfig does that only for absent ones, but a Compose file cannot leave a
// variable out.
func (r reader) fill(variables any) {
	if err := envconfig.Process(strings.TrimSuffix(r.prefix, "_"), variables); err != nil {
		r.found.add(r.prefix+"*", "cannot be read: %v", err)
	}
	v := reflect.ValueOf(variables).Elem()
	for i, name := range names(variables) {
		field := v.Field(i)
		if field.Kind() != reflect.String {
			continue
		}
		text := strings.TrimSpace(field.String())
		if len(text) > maxVariable {
			r.wrong(name, "has %d bytes; want at most %d", len(text), maxVariable)
			text = ""
		}
		field.SetString(cmp.Or(text, v.Type().Field(i).Tag.Get("default")))
	}
}

// variable returns the name of the variable that a setting was read from. A shared setting may have been read from the
// one without the prefix.
func (r reader) variable(setting string) string {
	_, own := os.LookupEnv(r.prefix + setting)
	_, shared := os.LookupEnv(setting)
	if shared && !own && slices.Contains(sharedNames, setting) {
		return setting
	}
	return r.prefix + setting
}

// wrong adds a problem of the variable that a setting was read from.
func (r reader) wrong(setting, format string, args ...any) {
	r.found.add(r.variable(setting), format, args...)
}

// secret returns the secret in a setting's value, or in the file that the setting with _FILE names. It is a problem if
// both are set. If neither is, the secret is unset.
func (r reader) secret(setting string, value credential, file string) secret.Secret {
	if file == "" {
		return value.Secret
	}
	if value.IsSet() {
		r.wrong(setting, "and %s are both set; want one of them", r.variable(setting+"_FILE"))
	}
	return secret.File(file)
}

// duration reads a setting between one second and most.
func (r reader) duration(setting, text string, most time.Duration) time.Duration {
	d, err := ParseDuration(text)
	if err != nil || d < time.Second || d > most {
		r.wrong(setting, "is %s; want a duration from 1s to %v", secret.Shown(text), model.Duration(most))
	}
	return d
}

// ParseDuration reads a duration such as 90d, 24h, 1h30m, 10s or 500ms. A day has 24 hours.
func ParseDuration(text string) (time.Duration, error) {
	d, err := model.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 90d, 24h, 1h30m or 10s", text)
	}
	return time.Duration(d), nil
}

// maxItems bounds a list. There are about ninety services.
const maxItems = 200

// splitList splits a text at its commas. It drops blanks around items, and empty items. It fails if there are more than
// maxItems.
func splitList(text string) ([]string, error) {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	if len(items) > maxItems {
		return nil, fmt.Errorf("has %d items; want at most %d", len(items), maxItems)
	}
	return items, nil
}

// isSet reports whether a variable has more than white space in it.
func isSet(variable string) bool { return strings.TrimSpace(os.Getenv(variable)) != "" }
