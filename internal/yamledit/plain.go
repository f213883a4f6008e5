package yamledit

import (
	"regexp"
	"strings"
)

// plainText is what an image reference, a tag or a tag's pattern is made of. Whatever holds another
// character is quoted rather than looked at any further.
var plainText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@+*~^$=<>()|\\-]*$`)

// notString are the plain texts, starting with a digit and freed of underscores, that one or the
// other version of YAML reads as a number or a time: integers in any base, floats, base 60, dates.
var notString = regexp.MustCompile(`^(` + strings.Join([]string{
	`[0-9]+\.?[0-9]*([eE][-+]?[0-9]+)?`,
	`0[xX][0-9a-fA-F]+`,
	`0[oO][0-7]+`,
	`0[bB][01]+`,
	`[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?`,
	`[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt].*)?`,
}, "|") + `)$`)

// words are the plain texts that YAML 1.1 reads as a truth value or as nothing. Kubernetes does.
var words = map[string]bool{
	"y": true, "n": true, "yes": true, "no": true, "on": true, "off": true,
	"true": true, "false": true, "null": true,
}

// staysPlain says whether a text without quotes is the same string to every reader of YAML, 1.1
// or 1.2, in block and in flow style. Where it is not sure it says no: quotes never hurt.
func staysPlain(value string) bool {
	return plainText.MatchString(value) && !strings.HasSuffix(value, ":") &&
		!words[strings.ToLower(value)] && !notString.MatchString(strings.ReplaceAll(value, "_", ""))
}
