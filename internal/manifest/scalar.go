package manifest

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// scalarKind is what a scalar is in JSON.
type scalarKind string

const (
	stringScalar scalarKind = "a string"
	numberScalar scalarKind = "a number"
	boolScalar   scalarKind = "a boolean"
	nullScalar   scalarKind = "null"
)

// scalar is a YAML scalar's value: the text of a string, or the JSON of anything else.
type scalar struct {
	kind scalarKind
	text string
}

// words are the plain scalars with a meaning in YAML 1.1.
var words = func() map[string]scalar {
	m := map[string]scalar{}
	for text, list := range map[string]string{
		"true":  "y Y yes Yes YES true True TRUE on On ON",
		"false": "n N no No NO false False FALSE off Off OFF",
	} {
		for word := range strings.FieldsSeq(list) {
			m[word] = scalar{boolScalar, text}
		}
	}
	for _, word := range []string{"", "~", "null", "Null", "NULL"} {
		m[word] = scalar{nullScalar, "null"}
	}
	return m
}()

var (
	notFinite  = regexp.MustCompile(`^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$`)
	floatText  = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
	decimal    = regexp.MustCompile(`^[-+]?[0-9]+$`)
	jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
)

// scalarOf decides what a scalar is. The node's own tag is that of YAML 1.2, so only the style
// and tags that were written count.
func scalarOf(n *yaml.Node) (scalar, error) {
	tag := ""
	if n.Style&yaml.TaggedStyle != 0 {
		tag = n.ShortTag()
	}
	quoted := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	switch {
	case tag == "" && quoted, tag == "!!str", tag == "!", strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!"):
		return scalar{stringScalar, n.Value}, nil
	case tag == "!!binary":
		return binary(n.Value)
	}
	v, err := resolvePlain(n.Value)
	if err != nil || tag == "" {
		return v, err
	}
	want := map[string]scalarKind{"!!int": numberScalar, "!!float": numberScalar, "!!bool": boolScalar, "!!null": nullScalar}[tag]
	if want == "" {
		return v, fmt.Errorf("the tag %s is not supported", tag)
	}
	if v.kind != want || tag == "!!int" && strings.ContainsAny(v.text, ".eE") {
		return v, fmt.Errorf("%q is not what its tag %s says", n.Value, tag)
	}
	return v, nil
}

func binary(text string) (scalar, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return scalar{}, fmt.Errorf("!!binary is not valid base64")
	}
	if !utf8.Valid(raw) {
		return scalar{}, fmt.Errorf("!!binary holds bytes that are no text, which JSON lacks")
	}
	return scalar{stringScalar, string(raw)}, nil
}

func resolvePlain(text string) (scalar, error) {
	if v, ok := words[text]; ok {
		return v, nil
	}
	if c := text[0]; (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' {
		return scalar{stringScalar, text}, nil
	}
	if notFinite.MatchString(text) {
		return scalar{}, fmt.Errorf("%s is a number that JSON lacks", text)
	}
	if v, ok := number(text); ok {
		return scalar{numberScalar, v}, nil
	}
	return scalar{stringScalar, text}, nil
}

// number returns a plain scalar that is a number as JSON.
func number(text string) (string, bool) {
	bare := text
	if text[0] != '.' {
		// As in kubectl's parser: 1_000 is a number, ._1 is not.
		bare = strings.ReplaceAll(text, "_", "")
	}
	if jsonNumber.MatchString(bare) && finite(bare) {
		return bare, true
	}
	if i, err := strconv.ParseInt(bare, 0, 64); err == nil {
		return strconv.FormatInt(i, 10), true
	}
	if u, err := strconv.ParseUint(bare, 0, 64); err == nil {
		return strconv.FormatUint(u, 10), true
	}
	if decimal.MatchString(bare) {
		// Too long for 64 bits, or 089, which is no octal.
		i, ok := new(big.Int).SetString(bare, 10)
		if !ok {
			return "", false
		}
		return i.String(), true
	}
	if floatText.MatchString(bare) && finite(bare) {
		return plainFloat(bare), true
	}
	return "", false
}

func finite(text string) bool {
	if decimal.MatchString(text) {
		return true
	}
	f, err := strconv.ParseFloat(text, 64)
	return err == nil && !math.IsInf(f, 0)
}

// plainFloat writes a float that YAML knows and JSON doesn't (+1.5, .5, 1., 01.5) with the same digits.
func plainFloat(text string) string {
	sign := ""
	switch text[0] {
	case '-':
		sign, text = "-", text[1:]
	case '+':
		text = text[1:]
	}
	mantissa, exponent := text, ""
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], text[i:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction + exponent
}
