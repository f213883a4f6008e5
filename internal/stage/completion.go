package stage

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// completion is a shell's completion script: the program's commands and flags, and files after them.
func completion(shell string, app *App, flags []cli.Flag) (string, error) {
	words := []menu{{flags: longFlags(flags)}}
	common := words[0].flags[len(longFlags(app.Flags)):]
	for _, command := range app.Commands {
		words[0].commands = append(words[0].commands, command.Name)
		words = append(words, menu{command.Name, append(longFlags(command.Flags), common...), nil})
	}
	switch shell {
	case "bash":
		return bashCompletion(app.Name, words), nil
	case "zsh":
		return zshCompletion(app.Name, words), nil
	case "fish":
		return fishCompletion(app, flags), nil
	}
	return "", Usagef("--completion knows bash, zsh and fish, not %q", shell)
}

// menu is what can follow the program, or one of its commands.
type menu struct {
	command         string // empty for the program itself
	flags, commands []string
}

func longFlags(flags []cli.Flag) (names []string) {
	for _, flag := range flags {
		for _, name := range flag.Names() {
			if len(name) > 1 {
				names = append(names, "--"+name)
			}
		}
	}
	return names
}

// cases are the branches of a shell's case over the first word, the program's own last.
func cases(words []menu, branch string) string {
	var script strings.Builder
	for _, m := range append(words[1:len(words):len(words)], words[0]) {
		pattern := m.command
		if pattern == "" {
			pattern = "*"
		}
		fmt.Fprintf(&script, branch, pattern, strings.Join(m.flags, " "))
	}
	return script.String()
}

func bashCompletion(name string, words []menu) string {
	return fmt.Sprintf(`%[1]s() {
	local word=${COMP_WORDS[COMP_CWORD]} flags
	case ${COMP_WORDS[COMP_CWORD-1]} in
	--output) COMPREPLY=($(compgen -W 'json table results' -- "$word")); return ;;
	--log-format) COMPREPLY=($(compgen -W 'text json' -- "$word")); return ;;
	--completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- "$word")); return ;;
	esac
	case ${COMP_WORDS[1]} in
%[3]s	esac
	case $word in
	-*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
	*) COMPREPLY=($(compgen -f -- "$word")); ((COMP_CWORD == 1)) && COMPREPLY+=($(compgen -W '%[4]s' -- "$word")) ;;
	esac
}
complete -o filenames -F %[1]s %[2]s
`, function(name), name, cases(words, "\t%s) flags='%s' ;;\n"), strings.Join(words[0].commands, " "))
}

func zshCompletion(name string, words []menu) string {
	return fmt.Sprintf(`#compdef %[2]s
%[1]s() {
	local -a flags
	case $words[CURRENT-1] in
	--output) compadd json table results; return ;;
	--log-format) compadd text json; return ;;
	--completion) compadd bash zsh fish; return ;;
	esac
	case $words[2] in
%[3]s	esac
	if [[ $words[CURRENT] == -* ]]; then
		compadd -- $flags
	else
		(( CURRENT == 2 )) && compadd -- %[4]s
		_files
	fi
}
compdef %[1]s %[2]s
`, function(name), name, cases(words, "\t%s) flags=(%s) ;;\n"), strings.Join(words[0].commands, " "))
}

func fishCompletion(app *App, flags []cli.Flag) string {
	var script strings.Builder
	list := func(condition string, flags []cli.Flag) {
		for _, flag := range flags {
			usage := ""
			if documented, ok := flag.(cli.DocGenerationFlag); ok {
				usage = strings.NewReplacer("'", "", "`", "").Replace(documented.GetUsage())
			}
			fmt.Fprintf(&script, "complete -c %s%s -l %s -d '%s'\n", app.Name, condition, flag.Names()[0], usage)
		}
	}
	list("", flags)
	for _, command := range app.Commands {
		fmt.Fprintf(&script, "complete -c %s -n __fish_use_subcommand -a %s -d '%s'\n", app.Name, command.Name, command.Usage)
		list(" -n '__fish_seen_subcommand_from "+command.Name+"'", command.Flags)
	}
	return script.String()
}

func function(name string) string { return "_" + strings.ReplaceAll(name, "-", "_") }
