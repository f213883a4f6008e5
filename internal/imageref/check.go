package imageref

import (
	"errors"
	"fmt"
	"strings"
)

// The limits that registries set; the first is for the canonical repository.
const (
	maxName = 255
	maxTag  = 128
)

// CheckTag says why a text can be no tag.
func CheckTag(tag string) error {
	switch {
	case tag == "":
		return errors.New("the tag is empty")
	case len(tag) > maxTag:
		return fmt.Errorf("the tag has more than %d characters", maxTag)
	case tag[0] == '.' || tag[0] == '-':
		return fmt.Errorf("the tag starts with %q", tag[0])
	}
	for i := range len(tag) {
		if c := tag[i]; !isWord(c) && c != '.' && c != '-' {
			return fmt.Errorf("the tag holds %q", c)
		}
	}
	return nil
}

// checkDigest wants algorithm:hex; of sha256 and sha512 the length is known.
func checkDigest(digest string) error {
	algorithm, hex, _ := strings.Cut(digest, ":")
	if algorithm == "" || hex == "" {
		return errors.New("the digest is not algorithm:hex")
	}
	for i := range len(algorithm) {
		if c := algorithm[i]; !isLower(c) && !isDigit(c) && !strings.ContainsRune("+._-", rune(c)) {
			return fmt.Errorf("the digest's algorithm holds %q", c)
		}
	}
	for i := range len(hex) {
		if c := hex[i]; !isDigit(c) && (c < 'a' || c > 'f') {
			return fmt.Errorf("the digest holds %q", c)
		}
	}
	if want, known := map[string]int{"sha256": 64, "sha512": 128}[algorithm]; known && len(hex) != want {
		return fmt.Errorf("a %s digest has %d digits, this one %d", algorithm, want, len(hex))
	}
	return nil
}

// checkRegistry wants host or host:port, the host a name or an address in brackets.
func checkRegistry(registry string) error {
	if registry == "" {
		return nil
	}
	host, port := registry, ""
	if i := strings.LastIndexByte(registry, ':'); i > strings.LastIndexByte(registry, ']') {
		host, port = registry[:i], registry[i+1:]
		if port == "" {
			return errors.New("the registry's port is empty")
		}
	}
	for i := range len(port) {
		if !isDigit(port[i]) {
			return fmt.Errorf("the registry's port holds %q", port[i])
		}
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return checkAddress(host[1 : len(host)-1])
	}
	return checkHost(host)
}

func checkAddress(address string) error {
	if address == "" {
		return errors.New("the registry's address is empty")
	}
	for i := range len(address) {
		if c := address[i]; !isHex(c) && c != ':' && c != '.' {
			return fmt.Errorf("the registry's address holds %q", c)
		}
	}
	return nil
}

func checkHost(host string) error {
	for label := range strings.SplitSeq(host, ".") {
		if label == "" {
			return errors.New("the registry's name has an empty part")
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return errors.New("a part of the registry's name starts or ends with a hyphen")
		}
		for i := range len(label) {
			if c := label[i]; !isLetter(c) && !isDigit(c) && c != '-' {
				return fmt.Errorf("the registry's name holds %q", c)
			}
		}
	}
	return nil
}

// checkRepository wants elements of lower case letters and digits, parted by slashes; within an
// element single dots, one or two underscores, or any number of hyphens part the words.
func checkRepository(repository string) error {
	for element := range strings.SplitSeq(repository, "/") {
		if err := checkElement(element); err != nil {
			return err
		}
	}
	return nil
}

func checkElement(element string) error {
	if element == "" {
		return errors.New("the repository has an empty element")
	}
	for rest := element; rest != ""; {
		word := strings.IndexFunc(rest, func(r rune) bool { return r > 0x7f || !isLower(byte(r)) && !isDigit(byte(r)) })
		if word < 0 {
			return nil
		}
		if word == 0 {
			return fmt.Errorf("the element %q of the repository holds %q out of place", element, rest[0])
		}
		rest = rest[word:]
		gap := len(rest) - len(strings.TrimLeft(rest, rest[:1]))
		switch c := rest[0]; {
		case c == '-', c == '.' && gap == 1, c == '_' && gap <= 2:
		default:
			return fmt.Errorf("the element %q of the repository holds %q out of place", element, rest[:gap])
		}
		if rest = rest[gap:]; rest == "" {
			return fmt.Errorf("the element %q of the repository ends without a letter or digit", element)
		}
	}
	return nil
}

func isLower(c byte) bool  { return 'a' <= c && c <= 'z' }
func isLetter(c byte) bool { return isLower(c) || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isHex(c byte) bool    { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) || c == '_' }
