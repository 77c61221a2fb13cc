# bash completion for vpn-enabler. It asks the program's own --help, so it knows every command and flag of the program
# that is installed.

_vpn_enabler() {
  local word=${COMP_WORDS[COMP_CWORD]} path=() pattern next help
  case ${COMP_WORDS[COMP_CWORD - 1]} in
    --config | --output | --state-dir | --api-socket | --*-file)
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
  esac

  # The command so far: a first word, and a second one where the first has commands of its own.
  for next in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $next == [a-z]* && ${#path[@]} -lt 2 ]] || break
    path+=("$next")
  done
  help=$(vpn-enabler "${path[@]}" --help 2>/dev/null) || return 0
  pattern='s/^  ([a-z]+)  .*/\1/p'
  [[ $word != -* ]] || pattern='s/^  (-[a-z],)?(--[a-z0-9-]+).*/\2/p'
  mapfile -t COMPREPLY < <(compgen -W "$(sed -nE "$pattern" <<<"$help")" -- "$word")
}

complete -o default -F _vpn_enabler vpn-enabler
