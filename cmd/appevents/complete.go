package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/appevents/appevents-go"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish,powershell" help:"bash, zsh, fish or powershell."`
}

// Run prints a script to be read by the shell. It is made of the commands as they are, and calls nothing while a
// person types.
func (c *completionCommand) Run(p *program, app *kong.Kong) error {
	list := completions(app.Model)
	script := map[string]func([]completion) string{
		"bash": bashScript, "zsh": zshScript, "fish": fishScript, "powershell": powershellScript,
	}[c.Shell](list)
	if p.json {
		return p.printJSON(object{"shell": c.Shell, "script": script})
	}
	_, err := fmt.Fprint(p.stdout, script)
	return err
}

// A completion is what can follow a command, or "" for the program itself.
type completion struct {
	command, help string
	flags         []string
	words         []string            // of its argument
	values        map[string][]string // of its flags, where they are a list
	files         []string            // flags whose value is a file
	others        []string            // flags with any other value
	takesFiles    bool                // its argument can be a file
}

// completionOf is what the flags of a command say.
func completionOf(node *kong.Node) completion {
	c := completion{help: strings.ReplaceAll(node.Help, "'", ""), flags: flagsOf(node), values: make(map[string][]string)}
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			name := "--" + flag.Name
			switch {
			case flag.Enum != "":
				c.values[name] = slices.DeleteFunc(flag.EnumSlice(), func(value string) bool { return value == "" })
			case flag.PlaceHolder == "FILE":
				c.files = append(c.files, name)
			case !flag.IsBool():
				c.others = append(c.others, name)
			}
		}
	}
	return c
}

func completions(app *kong.Application) []completion {
	root := completionOf(app.Node)
	root.words = commandsOf(app.Node)
	list := []completion{root}
	for _, command := range app.Children {
		if command.Hidden {
			continue
		}
		c := completionOf(command)
		c.command = command.Name
		if len(command.Children) > 0 {
			c.words = commandsOf(command)
			list = append(append(list, c), completionsBelow(command)...)
			continue
		}
		switch command.Name {
		case "completion":
			c.words = command.Positional[0].EnumSlice()
		case "events":
			for _, event := range appevents.StandardEvents() {
				c.words = append(c.words, string(event.Name))
			}
		case "explain":
			for _, e := range codeEntries() {
				c.words = append(c.words, strings.TrimSuffix(e.Code+"/"+e.Subcode, "/"))
				if len(e.Subcode) > 3 { // unmistakable alone
					c.words = append(c.words, e.Subcode)
				}
			}
		case "trigger":
			c.words = triggerFields()
		}
		list = append(list, c)
	}
	return list
}

// completionsBelow are those of the commands of a command. Their arguments can be files.
func completionsBelow(command *kong.Node) (list []completion) {
	for _, child := range command.Children {
		if child.Hidden {
			continue
		}
		c := completionOf(child)
		c.command, c.takesFiles = command.Name+" "+child.Name, true
		if slices.Contains(c.flags, "--reason") {
			c.values["--reason"] = []string{"refused", "expired", "unknown", "panicked", "unreadable"}
		}
		list = append(list, c)
	}
	return list
}

// groupsOf are the commands that have commands.
func groupsOf(list []completion) (groups []string) {
	for _, c := range list {
		if group, _, ok := strings.Cut(c.command, " "); ok && !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	}
	return groups
}

const bashFrame = `# bash completion for appevents: source <(appevents completion bash)
_appevents() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev= command= words= i
    [ "$COMP_CWORD" -gt 0 ] && prev=${COMP_WORDS[COMP_CWORD-1]}
    case $prev$cur in # --flag=value is three words
    --*=) cur= ;;
    =*) prev=${COMP_WORDS[COMP_CWORD-2]} ;;
    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --) COMPREPLY=($(compgen -c -f -- "$cur")); return ;;
        --profile | --color) [ "${COMP_WORDS[i+1]}" = = ] || ((i++)) ;;
        -* | =) [ "${COMP_WORDS[i]}" = = ] && ((i++)) ;;
        *)
            case $command in
            '') command=${COMP_WORDS[i]} ;;
            %s) command+=" ${COMP_WORDS[i]}" ;;
            esac ;;
        esac
    done
    case $command in
%s    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _appevents appevents
`

func bashScript(list []completion) string {
	var cases strings.Builder
	for _, c := range list {
		name := c.command
		if name == "" || strings.Contains(name, " ") {
			name = "'" + name + "'"
		}
		fmt.Fprintf(&cases, "    %s)\n        words='%s'\n        [[ $cur == -* ]] && words='%s'\n        case $prev in\n",
			name, strings.Join(c.words, " "), strings.Join(c.flags, " "))
		for _, flag := range c.flags {
			if values, ok := c.values[flag]; ok {
				fmt.Fprintf(&cases, "        %s) words='%s' ;;\n", flag, strings.Join(values, " "))
			}
		}
		if len(c.files) > 0 {
			fmt.Fprintf(&cases, "        %s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", strings.Join(c.files, " | "))
		}
		if len(c.others) > 0 {
			fmt.Fprintf(&cases, "        %s) return ;;\n", strings.Join(c.others, " | "))
		}
		if c.takesFiles {
			cases.WriteString("        *) [[ $cur == -* ]] || { COMPREPLY=($(compgen -f -- \"$cur\")); return; } ;;\n")
		}
		cases.WriteString("        esac ;;\n")
	}
	return fmt.Sprintf(bashFrame, strings.Join(groupsOf(list), " | "), cases.String())
}

func zshScript(list []completion) string {
	var b strings.Builder
	b.WriteString(`#compdef appevents
# zsh completion for appevents: appevents completion zsh > "${fpath[1]}/_appevents"
_appevents() {
    local -a commands
    if (( CURRENT == 2 )); then
        commands=(
`)
	for _, c := range list[1:] {
		if strings.Contains(c.command, " ") {
			continue
		}
		fmt.Fprintf(&b, "            '%s:%s'\n", c.command, strings.ReplaceAll(c.help, ":", `\:`))
	}
	b.WriteString("        )\n        _describe command commands\n        return\n    fi\n    local command=$words[2]\n")
	for _, group := range groupsOf(list) {
		fmt.Fprintf(&b, "    [[ $command == %s ]] && (( CURRENT > 3 )) && command+=\" $words[3]\"\n", group)
	}
	b.WriteString("    case $command in\n")
	for _, c := range list[1:] {
		fmt.Fprintf(&b, "    '%s') compadd -- %s ;;\n", c.command, strings.Join(append(c.words, c.flags...), " "))
	}
	b.WriteString("    esac\n    [[ $PREFIX == -* ]] || _files\n}\ncompdef _appevents appevents\n")
	return b.String()
}

func fishScript(list []completion) string {
	var b strings.Builder
	b.WriteString("# fish completion for appevents: appevents completion fish | source\n")
	for _, c := range list[1:] {
		seen := "__fish_seen_subcommand_from " + c.command
		if group, child, ok := strings.Cut(c.command, " "); ok {
			seen = "__fish_seen_subcommand_from " + group + "; and __fish_seen_subcommand_from " + child
		} else {
			fmt.Fprintf(&b, "complete -c appevents -n __fish_use_subcommand -f -a %s -d '%s'\n", c.command, c.help)
		}
		for _, flag := range c.flags {
			value := ""
			if values, ok := c.values[flag]; ok {
				value = " -x -a '" + strings.Join(values, " ") + "'"
			} else if slices.Contains(c.files, flag) {
				value = " -r -F"
			} else if slices.Contains(c.others, flag) {
				value = " -x"
			}
			fmt.Fprintf(&b, "complete -c appevents -n '%s' -l %s%s\n", seen, strings.TrimPrefix(flag, "--"), value)
		}
		if len(c.words) > 0 {
			fmt.Fprintf(&b, "complete -c appevents -n '__fish_seen_subcommand_from %s' -f -a '%s'\n",
				c.command, strings.Join(c.words, " "))
		}
	}
	return b.String()
}

const powershellFrame = `# PowerShell completion for appevents:
# appevents completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName appevents -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $table = @{
%s    }
    $command = ''
    if ($commandAst.CommandElements.Count -gt 1) {
        $first = $commandAst.CommandElements[1].ToString()
        if ($table.ContainsKey($first) -and $first -ne $wordToComplete) { $command = $first }
    }
    if ($commandAst.CommandElements.Count -gt 2) {
        $second = $command + ' ' + $commandAst.CommandElements[2].ToString()
        if ($table.ContainsKey($second)) { $command = $second }
    }
    $table[$command] | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
        [System.Management.Automation.CompletionResult]::new($_)
    }
}
`

func powershellScript(list []completion) string {
	var table strings.Builder
	for _, c := range list {
		fmt.Fprintf(&table, "        '%s' = @('%s')\n", c.command, strings.Join(append(c.words, c.flags...), "', '"))
	}
	return fmt.Sprintf(powershellFrame, table.String())
}
