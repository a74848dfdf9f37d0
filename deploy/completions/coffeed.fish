# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_coffeed_global_optspecs
    string join \n c/config= check-config name= listen= advertise= data-dir= bootstrap= join= tls-ca= tls-cert= tls-key= tls-crl= timers-heartbeat-interval-ms= timers-election-timeout-min-ms= timers-election-timeout-max-ms= storage-snapshot-every-entries= storage-log-keep-entries= limits-connections-max= limits-write-bytes-in-flight-max= admin-listen= log-level= log-format= h/help V/version
end

function __fish_coffeed_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_coffeed_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_coffeed_using_subcommand
    set -l cmd (__fish_coffeed_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c coffeed -n "__fish_coffeed_needs_command" -s c -l config -d 'Configuration file, in TOML' -r -F
complete -c coffeed -n "__fish_coffeed_needs_command" -l name -d 'The node\'s name: that of its certificate' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l listen -d 'UDP address to listen on' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l advertise -d 'Where the others reach this node, if not where it listens' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l data-dir -d 'Folder for the node\'s data, and nothing else' -r -F
complete -c coffeed -n "__fish_coffeed_needs_command" -l bootstrap -d 'Start a new cluster, if there is no data' -r -f -a "true\t''
false\t''"
complete -c coffeed -n "__fish_coffeed_needs_command" -l join -d 'Members to ask to be let in, if there is no data' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l tls-ca -d 'The CA\'s certificate' -r -F
complete -c coffeed -n "__fish_coffeed_needs_command" -l tls-cert -d 'The node\'s certificate' -r -F
complete -c coffeed -n "__fish_coffeed_needs_command" -l tls-key -d 'The node\'s private key' -r -F
complete -c coffeed -n "__fish_coffeed_needs_command" -l tls-crl -d 'What the CA has revoked, as \'coffeectl cert revoke\' makes it' -r -F
complete -c coffeed -n "__fish_coffeed_needs_command" -l timers-heartbeat-interval-ms -d 'How often the leader is heard' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l timers-election-timeout-min-ms -d 'Shortest time after the lease until a follower stands for election' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l timers-election-timeout-max-ms -d 'Longest such time, and the lease' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l storage-snapshot-every-entries -d 'After how many entries a snapshot is taken' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l storage-log-keep-entries -d 'How many entries stay behind a snapshot' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l limits-connections-max -d 'Most connections, with clients and nodes' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l limits-write-bytes-in-flight-max -d 'Most bytes of writes that are not committed yet' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l admin-listen -d 'TCP address for metrics and health checks, over HTTP' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l log-level -d 'How much to log: error, warn, info, debug or trace' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l log-format -d 'In which form: human or json' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l check-config -d 'Check the configuration and the certificates, print what is in force, and leave'
complete -c coffeed -n "__fish_coffeed_needs_command" -s h -l help -d 'Print help'
complete -c coffeed -n "__fish_coffeed_needs_command" -s V -l version -d 'Print version'
complete -c coffeed -n "__fish_coffeed_needs_command" -f -a "demo" -d 'Run up to five shops in this process, and a prompt to play with them'
complete -c coffeed -n "__fish_coffeed_needs_command" -f -a "rebuild" -d 'Set this node\'s damaged data aside: when it starts again it gets everything from the others'
complete -c coffeed -n "__fish_coffeed_needs_command" -f -a "restore" -d 'Make the first node of a new cluster out of a backup'
complete -c coffeed -n "__fish_coffeed_needs_command" -f -a "recover" -d 'For a cluster that has lost its quorum for good: see what this node has left, and go on with it'
complete -c coffeed -n "__fish_coffeed_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coffeed -n "__fish_coffeed_using_subcommand demo" -l nodes -d 'How many shops to start with' -r
complete -c coffeed -n "__fish_coffeed_using_subcommand demo" -l data -d 'Keep certificates and data here, and find them again the next time [default: a temporary folder]' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand demo" -s c -l config -d 'Configuration file, in TOML' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand demo" -s h -l help -d 'Print help'
complete -c coffeed -n "__fish_coffeed_using_subcommand rebuild" -l from -d 'Members to ask to be let in, if not those that `join` names' -r
complete -c coffeed -n "__fish_coffeed_using_subcommand rebuild" -l cluster -d 'The cluster to join, if it goes on under another id: as \'coffeed recover\' and \'coffeed restore\' say it' -r
complete -c coffeed -n "__fish_coffeed_using_subcommand rebuild" -s c -l config -d 'Configuration file, in TOML' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand rebuild" -s h -l help -d 'Print help'
complete -c coffeed -n "__fish_coffeed_using_subcommand restore" -s c -l config -d 'Configuration file, in TOML' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand restore" -s h -l help -d 'Print help'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and not __fish_seen_subcommand_from compare help" -s c -l config -d 'Configuration file, in TOML' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and not __fish_seen_subcommand_from compare help" -s y -l yes -d 'Make a new cluster of this node\'s data'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and not __fish_seen_subcommand_from compare help" -l dry-run -d 'Only print the report, as without --yes'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and not __fish_seen_subcommand_from compare help" -s h -l help -d 'Print help'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and not __fish_seen_subcommand_from compare help" -f -a "compare" -d 'Say which of the nodes is furthest, and what may be lost'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and not __fish_seen_subcommand_from compare help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and __fish_seen_subcommand_from compare" -s c -l config -d 'Configuration file, in TOML' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and __fish_seen_subcommand_from compare" -s h -l help -d 'Print help'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and __fish_seen_subcommand_from help" -f -a "compare" -d 'Say which of the nodes is furthest, and what may be lost'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and not __fish_seen_subcommand_from demo rebuild restore recover help" -f -a "demo" -d 'Run up to five shops in this process, and a prompt to play with them'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and not __fish_seen_subcommand_from demo rebuild restore recover help" -f -a "rebuild" -d 'Set this node\'s damaged data aside: when it starts again it gets everything from the others'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and not __fish_seen_subcommand_from demo rebuild restore recover help" -f -a "restore" -d 'Make the first node of a new cluster out of a backup'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and not __fish_seen_subcommand_from demo rebuild restore recover help" -f -a "recover" -d 'For a cluster that has lost its quorum for good: see what this node has left, and go on with it'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and not __fish_seen_subcommand_from demo rebuild restore recover help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and __fish_seen_subcommand_from recover" -f -a "compare" -d 'Say which of the nodes is furthest, and what may be lost'
