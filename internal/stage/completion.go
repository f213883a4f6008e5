package stage

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// completion is a shell's completion script: the program's flags, and files after them.
func completion(shell, name string, flags []cli.Flag) (string, error) {
	var words []string
	for _, flag := range flags {
		for _, n := range flag.Names() {
			if len(n) > 1 {
				words = append(words, "--"+n)
			}
		}
	}
	function := "_" + strings.ReplaceAll(name, "-", "_")
	list := strings.Join(words, " ")
	switch shell {
	case "bash":
		return fmt.Sprintf(`%[1]s() {
	local word=${COMP_WORDS[COMP_CWORD]}
	case ${COMP_WORDS[COMP_CWORD-1]} in
	--output) COMPREPLY=($(compgen -W 'json table results' -- "$word")); return ;;
	--log-format) COMPREPLY=($(compgen -W 'text json' -- "$word")); return ;;
	--completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- "$word")); return ;;
	esac
	case $word in
	-*) COMPREPLY=($(compgen -W '%[3]s' -- "$word")) ;;
	*) COMPREPLY=($(compgen -f -- "$word")) ;;
	esac
}
complete -o filenames -F %[1]s %[2]s
`, function, name, list), nil
	case "zsh":
		return fmt.Sprintf(`#compdef %[2]s
%[1]s() {
	case $words[CURRENT-1] in
	--output) compadd json table results ;;
	--log-format) compadd text json ;;
	--completion) compadd bash zsh fish ;;
	*) if [[ $words[CURRENT] == -* ]]; then compadd -- %[3]s; else _files; fi ;;
	esac
}
compdef %[1]s %[2]s
`, function, name, list), nil
	case "fish":
		var script strings.Builder
		for _, flag := range flags {
			usage := ""
			if documented, ok := flag.(cli.DocGenerationFlag); ok {
				usage = strings.NewReplacer("'", "", "`", "").Replace(documented.GetUsage())
			}
			fmt.Fprintf(&script, "complete -c %s -l %s -d '%s'\n", name, flag.Names()[0], usage)
		}
		return script.String(), nil
	}
	return "", Usagef("--completion knows bash, zsh and fish, not %q", shell)
}
