# fish completion for vpn-enabler. It asks the program's own --help, so it knows every command and flag of the program
# that is installed.

function __vpn_enabler_candidates
    # The command so far: a first word, and a second one where the first has commands of its own.
    set -l path_so_far
    for word in (commandline -opc)[2..]
        string match -qr '^[a-z]' -- $word; and test (count $path_so_far) -lt 2; or break
        set -a path_so_far $word
    end
    set -l pattern 's/^  ([a-z]+)  +(.*)/\1\t\2/p'
    string match -q -- '-*' (commandline -ct); and set pattern 's/^  (-[a-z],)?(--[a-z0-9-]+).*/\2/p'
    vpn-enabler $path_so_far --help 2>/dev/null | sed -nE $pattern
end

complete -c vpn-enabler -a '(__vpn_enabler_candidates)'
