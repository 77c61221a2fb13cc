#compdef vpn-enabler
# zsh completion for vpn-enabler. It asks the program's own --help, so it knows every command and flag of the program
# that is installed.

local next help pattern='s/^  ([a-z]+)  .*/\1/p'
local -a path_so_far candidates

case $words[CURRENT-1] in
  --config | --output | --state-dir | --api-socket | --*-file)
    _files
    return
    ;;
esac

# The command so far: a first word, and a second one where the first has commands of its own.
for next in "${(@)words[2,CURRENT-1]}"; do
  [[ $next == [a-z]* && $#path_so_far -lt 2 ]] || break
  path_so_far+=("$next")
done
help=$(vpn-enabler $path_so_far --help 2>/dev/null) || return 1
[[ $words[CURRENT] != -* ]] || pattern='s/^  (-[a-z],)?(--[a-z0-9-]+).*/\2/p'
candidates=(${(f)"$(sed -nE $pattern <<<$help)"})
if (( $#candidates )); then
  compadd -- $candidates
else
  _files
fi
